"""Wrong solutions of assignment 12, as people write them. Each stands after the right solution and
takes the place of its function; the line above it names the checks that have to fail.
"""

import numpy as np
from solution import (
    COUNTED,
    FREQUENCY,
    PRESENCE,
    REPETITION,
    generate,
    keep_likely,
    penalise,
    sample,
)

right_penalise, right_keep, right_sample, right_generate = penalise, keep_likely, sample, generate


# WRONG divided_whatever_the_sign: penalties: no token becomes likelier; penalties: the right numbers of this class
def penalise(logits, prompt, output):
    x = logits.copy()
    said = sorted({*prompt, *output})
    x[said] /= REPETITION
    return x


# WRONG all_logits_lowered: penalties: what was never said keeps its logit
def penalise(logits, prompt, output):
    return right_penalise(logits, prompt, output) - PRESENCE


# WRONG the_prompt_is_forgotten: penalties: what was never said keeps its logit; penalties: no token becomes likelier
def penalise(logits, prompt, output):
    return right_penalise(logits, [], output)


# WRONG repetition_every_time: penalties: the right numbers of this class
def penalise(logits, prompt, output):
    x = right_penalise(logits, prompt, output)
    for i in output[1:]:
        x[i] = x[i] / REPETITION if x[i] > 0 else x[i] * REPETITION
    return x


# WRONG counted_in_the_other_place: penalties: the right numbers of this class
def penalise(logits, prompt, output):
    x = right_penalise(logits, prompt, output)
    sign = 1 if COUNTED == "all" else -1
    for i in prompt:
        x[i] += sign * FREQUENCY
    return x


# WRONG zero_in_place_of_minus_infinity: filter: what stays is as it was, the rest is −inf
def keep_likely(logits):
    kept = right_keep(logits)
    return np.where(np.isfinite(kept), kept, 0.0)


# WRONG probabilities_in_place_of_logits: filter: what stays is as it was, the rest is −inf
def keep_likely(logits):
    kept = right_keep(logits)
    return np.where(np.isfinite(kept), kept - logits.max(), kept)


# WRONG one_too_many: filter: the right tokens stay; generate: penalties, filter, draw, in this order
def keep_likely(logits):
    kept = right_keep(logits)
    rest = np.where(np.isfinite(kept), -np.inf, logits)
    kept[np.argmax(rest)] = logits[np.argmax(rest)]
    return kept


# WRONG the_likeliest_alone: filter: the right tokens stay
def keep_likely(logits):
    result = np.full(len(logits), -np.inf)
    result[np.argmax(logits)] = logits.max()
    return result


# WRONG always_the_likeliest: sample: each token has its share
def sample(logits, temperature, u):
    return int(np.argmax(logits))


# WRONG a_division_by_zero: sample: temperature 0, and near it
def sample(logits, temperature, u):
    e = np.exp(logits / temperature)
    return int(np.searchsorted(np.cumsum(e / e.sum()), u, side="right"))


# WRONG without_the_temperature: sample: temperature 0, and near it; sample: each token has its share
def sample(logits, temperature, u):
    return right_sample(logits, 1.0, u)


# WRONG the_wrong_side: sample: each token has its share
def sample(logits, temperature, u):
    if temperature == 0:
        return int(np.argmax(logits))
    e = np.exp((logits - logits.max()) / temperature)
    return int(np.searchsorted(np.cumsum(e), u * e.sum(), side="left"))


# WRONG an_id_that_is_not_there: sample: each token has its share
def sample(logits, temperature, u):
    if temperature == 0:
        return int(np.argmax(logits))
    e = np.exp((logits - logits.max()) / temperature)
    return int(np.searchsorted(np.cumsum(e / e.sum()), u, side="right"))


# WRONG with_the_prompt: generate: as many ids as draws, and the model sees them all; generate: penalties, filter, draw, in this order
def generate(next_logits, prompt, us, temperature):
    return [*prompt, *right_generate(next_logits, prompt, us, temperature)]


# WRONG asked_with_the_prompt_alone: generate: as many ids as draws, and the model sees them all
def generate(next_logits, prompt, us, temperature):
    return right_generate(lambda ids: next_logits(prompt), prompt, us, temperature)


# WRONG without_the_penalties: generate: penalties, filter, draw, in this order
def generate(next_logits, prompt, us, temperature):
    output = []
    for u in us:
        output.append(sample(keep_likely(next_logits([*prompt, *output])), temperature, u))
    return output
