import numpy as np
from wrong_answers import wrong


def draw(weights, v):
    mass = np.cumsum(weights)
    return int(np.searchsorted(mass, v * mass[-1], side="right"))


def rest(p, q):
    left = np.maximum(p - q, 0)
    return left if left.any() else p


def rule(p, q, guess, u, v):
    if u * q[guess] < p[guess]:
        return guess, True
    return draw(rest(p, q), v), False


@wrong("14.accept_or_resample", says="it is kept whatever u is")
def the_wrong_way_round(p, q, guess, u, v):
    if u * p[guess] < q[guess] and p[guess] > 0:
        return guess, True
    return draw(rest(p, q), v), False


@wrong("14.accept_or_resample", says="Draw from what is left")
def drawn_anew_from_the_model(p, q, guess, u, v):
    if u * q[guess] < p[guess]:
        return guess, True
    return draw(p, v), False


@wrong("14.accept_or_resample", says="χ²")
def the_likeliest_of_the_rest(p, q, guess, u, v):
    if u * q[guess] < p[guess]:
        return guess, True
    return int(np.argmax(rest(p, q))), False


@wrong("14.accept_or_resample", says="it is kept whatever u is")
def the_likeliest_of_the_model(p, q, guess, u, v):
    best = int(np.argmax(p))
    return best, best == guess


@wrong("14.accept_or_resample", says="a guess that the model never says")
def kept_always(p, q, guess, u, v):
    return guess, True


@wrong("14.accept_or_resample", says="it is kept whatever u is")
def drawn_from_the_model_and_compared(p, q, guess, u, v):
    token = draw(p, u)
    return token, token == guess


@wrong("14.accept_or_resample", says="a share of min(1, p/q)")
def kept_where_the_model_gives_half_as_much(p, q, guess, u, v):
    if p[guess] >= 0.5 * q[guess]:
        return guess, True
    return draw(rest(p, q), v), False


@wrong("14.accept_or_resample", says="χ²")
def one_random_number_for_both(p, q, guess, u, v):
    if u * q[guess] < p[guess]:
        return guess, True
    return draw(rest(p, q), u), False


@wrong("14.accept_or_resample", says="Draw from what is left")
def the_distance_in_place_of_the_rest(p, q, guess, u, v):
    if u * q[guess] < p[guess]:
        return guess, True
    return draw(np.abs(p - q), v), False


@wrong("14.accept_or_resample", says="should be an id")
def the_rest_not_made_to_sum_to_one(p, q, guess, u, v):
    if u * q[guess] < p[guess]:
        return guess, True
    return int(np.searchsorted(np.cumsum(np.maximum(p - q, 0)), v, side="right")), False


@wrong("14.accept_or_resample", says="should be an id")
def nothing_left_divided_by_its_sum(p, q, guess, u, v):
    if u < p[guess] / q[guess]:
        return guess, True
    left = np.maximum(p - q, 0)
    mass = np.cumsum(left / left.sum())
    return int(np.searchsorted(mass, v * mass[-1], side="right")), False


@wrong("14.accept_or_resample", says="two things")
def the_token_alone(p, q, guess, u, v):
    return rule(p, q, guess, u, v)[0]


@wrong("14.one_pass", says="draw one more token")
def without_the_bonus_token(p, q, guesses, u, v):
    if not guesses:
        return [draw(p[0], v[0])]
    tokens = []
    for i, guess in enumerate(guesses):
        token, kept = rule(p[i], q[i], guess, u[i], v[i])
        tokens.append(token)
        if not kept:
            break
    return tokens


@wrong("14.one_pass", says="its replacement and no more")
def goes_on_after_a_refused_guess(p, q, guesses, u, v):
    tokens = [rule(p[i], q[i], guess, u[i], v[i])[0] for i, guess in enumerate(guesses)]
    return [*tokens, draw(p[-1], v[-1])]


@wrong("14.one_pass", says="its replacement and no more")
def the_bonus_token_after_a_refused_guess_too(p, q, guesses, u, v):
    tokens = []
    for i, guess in enumerate(guesses):
        token, kept = rule(p[i], q[i], guess, u[i], v[i])
        tokens.append(token)
        if not kept:
            break
    return [*tokens, draw(p[-1], v[-1])]


@wrong("14.one_pass", says="a refused guess is replaced")
def throws_the_replacement_away(p, q, guesses, u, v):
    tokens = []
    for i, guess in enumerate(guesses):
        token, kept = rule(p[i], q[i], guess, u[i], v[i])
        if not kept:
            return tokens
        tokens.append(token)
    return [*tokens, draw(p[-1], v[-1])]


@wrong("14.one_pass", says="judged by p[i] and q[i]")
def the_bonus_token_from_the_row_before(p, q, guesses, u, v):
    tokens = []
    for i, guess in enumerate(guesses):
        token, kept = rule(p[i], q[i], guess, u[i], v[i])
        tokens.append(token)
        if not kept:
            return tokens
    return [*tokens, draw(p[max(0, len(guesses) - 1)], v[-1])]


@wrong("14.one_pass", says="without a guess")
def nothing_without_a_guess(p, q, guesses, u, v):
    tokens = []
    if len(guesses) == 0:
        return tokens
    for i, guess in enumerate(guesses):
        token, kept = rule(p[i], q[i], guess, u[i], v[i])
        tokens.append(token)
        if not kept:
            return tokens
    return [*tokens, draw(p[-1], v[-1])]


@wrong("14.one_pass", says="replaced by what accept_or_resample gives")
def the_replacement_from_the_model(p, q, guesses, u, v):
    tokens = []
    for i, guess in enumerate(guesses):
        token, kept = rule(p[i], q[i], guess, u[i], v[i])
        if not kept:
            break
        tokens.append(token)
    i = len(tokens)
    return [*tokens, draw(p[i], v[i])]
