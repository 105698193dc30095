import numpy as np
from wrong_answers import wrong


def places(ids, T, B, rng, last=0):
    return rng.integers(0, len(ids) - T + last, size=(B, 1)) + np.arange(T)


@wrong("02.get_batch", says="the model would learn to copy")
def not_shifted(ids, T, B, rng):
    at = places(ids, T, B, rng)
    return ids[at], ids[at]


@wrong("02.get_batch", says="the id that follows the window")
def rolled(ids, T, B, rng):
    x = ids[places(ids, T, B, rng)]
    return x, np.roll(x, -1, axis=1)


@wrong("02.get_batch", says="x one id earlier")
def one_earlier(ids, T, B, rng):
    at = places(ids, T, B, rng)
    return ids[at + 1], ids[at]


@wrong("02.get_batch", says="raises ValueError")
def one_start_too_few(ids, T, B, rng):
    at = places(ids, T, B, rng, last=-1)
    return ids[at], ids[at + 1]


@wrong("02.get_batch", says="none begins at place 3")
def one_start_too_few_and_guarded(ids, T, B, rng):
    starts = rng.integers(0, max(1, len(ids) - T - 1), size=(B, 1))
    at = starts + np.arange(T)
    return ids[at], ids[at + 1]


@wrong("02.get_batch", says="raises IndexError")
def one_start_too_many(ids, T, B, rng):
    at = places(ids, T, B, rng, last=1)
    return ids[at], ids[at + 1]


@wrong("02.get_batch", says="is no window")
def wrapped_around(ids, T, B, rng):
    at = places(ids, T, B, rng, last=T)
    return ids[at % len(ids)], ids[(at + 1) % len(ids)]


@wrong("02.get_batch", says="the same seed gives two different batches")
def global_generator(ids, T, B, rng):
    at = np.random.default_rng().integers(0, len(ids) - T, size=(B, 1)) + np.arange(T)
    return ids[at], ids[at + 1]


@wrong("02.get_batch", says="two calls with one rng give the same batch")
def a_seed_of_its_own(ids, T, B, rng):
    at = places(ids, T, B, np.random.default_rng(0))
    return ids[at], ids[at + 1]


@wrong("02.get_batch", says="all rows begin at the same place")
def one_start_for_all(ids, T, B, rng):
    at = np.tile(rng.integers(0, len(ids) - T) + np.arange(T), (B, 1))
    return ids[at], ids[at + 1]


@wrong("02.get_batch", says="none begins at place 1")
def side_by_side(ids, T, B, rng):
    at = rng.integers(0, (len(ids) - 1) // T, size=(B, 1)) * T + np.arange(T)
    return ids[at], ids[at + 1]


@wrong("02.get_batch", says="is no window")
def places_in_place_of_ids(ids, T, B, rng):
    at = places(ids, T, B, rng)
    return at, at + 1


@wrong("02.get_batch", says="x has shape (3, 1) and should have (1, 3) = (B, T)")
def time_first(ids, T, B, rng):
    at = places(ids, T, B, rng)
    return ids[at].T, ids[at + 1].T


@wrong("02.get_batch", says="two parts: x, y")
def the_whole_window(ids, T, B, rng):
    return ids[rng.integers(0, len(ids) - T, size=(B, 1)) + np.arange(T + 1)]
