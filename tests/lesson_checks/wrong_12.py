import numpy as np
from wrong_answers import wrong


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


def only(x, kept):
    result = np.full(len(x), -np.inf)
    result[kept] = x[kept]
    return result


@wrong("12.sample", says="χ²")
def temperature_on_the_probabilities(logits, temperature, u):
    if temperature == 0:
        return int(np.argmax(logits))
    p = softmax(logits) / temperature
    if temperature < 0.1:
        return int(np.argmax(p))
    mass = np.cumsum(p / p.sum())
    return int(np.searchsorted(mass, u * mass[-1], side="right"))


@wrong("12.sample", says="χ²")
def multiplies_by_the_temperature(logits, temperature, u):
    if temperature < 0.1:
        return int(np.argmax(logits))
    mass = np.cumsum(softmax(logits * temperature))
    return int(np.searchsorted(mass, u * mass[-1], side="right"))


@wrong("12.sample", says="ruled out")
def takes_the_share_before(logits, temperature, u):
    if temperature == 0:
        return int(np.argmax(logits))
    return int(np.searchsorted(np.cumsum(softmax(logits / temperature)), u, side="left"))


@wrong("12.sample", says="at temperature 0 the likeliest is taken")
def divides_by_zero(logits, temperature, u):
    mass = np.cumsum(softmax(logits / (temperature + 1e-1)))
    return int(np.searchsorted(mass, u * mass[-1], side="right"))


@wrong("12.sample", says="does not fall into that token's share")
def draws_for_itself(logits, temperature, u):
    if temperature == 0:
        return int(np.argmax(logits))
    p = softmax(logits / temperature)
    return int(np.random.default_rng(0).choice(len(p), p=p))


@wrong("12.keep_top_k", says="(of equals the lower ids)")
def keeps_all_ties(logits, k):
    if k >= len(logits):
        return logits * 1.0
    return np.where(logits < np.sort(logits)[-k], -np.inf, logits)


@wrong("12.keep_top_k", says="likeliest are")
def keeps_the_least_likely(logits, k):
    return only(logits, np.argsort(logits, kind="stable")[:k])


@wrong("12.keep_top_k", says="a logit that stays has changed")
def zero_in_place_of_minus_infinity(logits, k):
    result = np.zeros(len(logits))
    kept = np.argsort(-logits, kind="stable")[:k]
    result[kept] = logits[kept]
    return result


@wrong("12.keep_top_k", says="should have")
def only_the_kept(logits, k):
    return logits[np.argsort(-logits, kind="stable")[:k]]


@wrong("12.keep_top_p", says="nothing is left")
def without_the_one_that_crosses(logits, p):
    order = np.argsort(-logits, kind="stable")
    return only(logits, order[np.cumsum(softmax(logits)[order]) <= p])


@wrong("12.keep_top_p", says="the token that crosses the line stays too")
def one_too_few_but_never_none(logits, p):
    order = np.argsort(-logits, kind="stable")
    n = max(1, np.count_nonzero(np.cumsum(softmax(logits)[order]) <= p))
    return only(logits, order[:n])


@wrong("12.keep_top_p", says="the least set, no more")
def one_too_many(logits, p):
    order = np.argsort(-logits, kind="stable")
    return only(logits, order[: np.searchsorted(np.cumsum(softmax(logits)[order]), p) + 2])


@wrong("12.keep_top_p", says="the least set is")
def from_the_unlikely_end(logits, p):
    order = np.argsort(logits, kind="stable")
    return only(logits, order[: np.searchsorted(np.cumsum(softmax(logits)[order]), p) + 1])


@wrong("12.keep_top_p", says="the least set")
def in_the_order_of_the_ids(logits, p):
    return only(logits, np.arange(np.searchsorted(np.cumsum(softmax(logits)), min(p, 0.9999)) + 1))


def three(logits, seen, output, repetition, presence, frequency):
    x, seen = logits.copy(), np.unique(np.array(seen, int))
    x[seen] = np.where(x[seen] > 0, x[seen] / repetition, x[seen] * repetition)
    count = np.bincount(np.array(output, int), minlength=len(x))
    return x - presence * (count > 0) - frequency * count


@wrong("12.penalise", says="became likelier by being repeated")
def divides_negative_logits(logits, prompt, output, repetition, presence, frequency):
    x, seen = logits.copy(), np.unique([*prompt, *output]).astype(int)
    x[seen] /= repetition
    return three(x, [], output, 1.0, presence, frequency)


@wrong("12.penalise", says="not the prompt")
def counts_the_prompt_too(logits, prompt, output, repetition, presence, frequency):
    every = [*prompt, *output]
    return three(logits, every, every, repetition, presence, frequency)


@wrong("12.penalise", says="for each time")
def fancy_index_counts_once(logits, prompt, output, repetition, presence, frequency):
    x = three(logits, [*prompt, *output], output, repetition, presence, 0.0)
    x[np.array(output, int)] -= frequency
    return x


@wrong("12.penalise", says="repetition penalty comes first")
def repetition_comes_last(logits, prompt, output, repetition, presence, frequency):
    x = three(logits, [], output, 1.0, presence, frequency)
    return three(x, [*prompt, *output], [], repetition, 0.0, 0.0)
