import numpy as np
from wrong_answers import wrong


def hits(ids, answers, shift):
    table = np.zeros((len(answers), len(ids)), bool)
    table[:, shift:] = ids[: len(ids) - shift] == answers[:, None]
    return table


@wrong("16.head_score", says="np.roll goes round")
def rolled_around(p, ids, at, shift):
    hit = np.roll(ids, shift) == ids[at + 1][:, None]
    return (p[:, at] * hit).sum(axis=-1).mean(axis=-1)


@wrong("16.head_score", says="ids[i + 1]")
def the_token_itself_in_place_of_the_next(p, ids, at, shift):
    return (p[:, at] * hits(ids, ids[at], shift)).sum(axis=-1).mean(axis=-1)


@wrong("16.head_score", says="ids[i + 1]")
def who_looks_at_me(p, ids, at, shift):
    return (p.swapaxes(1, 2)[:, at] * hits(ids, ids[at + 1], shift)).sum(axis=-1).mean(axis=-1)


@wrong("16.head_score", says="should be their mean")
def summed_over_the_positions(p, ids, at, shift):
    return (p[:, at] * hits(ids, ids[at + 1], shift)).sum(axis=(1, 2))


@wrong("16.head_score", says="added over all j")
def the_mean_over_the_past(p, ids, at, shift):
    return (p[:, at] * hits(ids, ids[at + 1], shift)).mean(axis=(1, 2))


@wrong("16.head_score", says="added over all j")
def the_largest_alone(p, ids, at, shift):
    return (p[:, at] * hits(ids, ids[at + 1], shift)).max(axis=-1).mean(axis=-1)


@wrong("16.head_score", says="added over all j")
def before_in_place_of_behind(p, ids, at, shift):
    hit = np.zeros((len(at), len(ids)), bool)
    hit[:, : len(ids) - shift] = ids[shift:] == ids[at + 1][:, None]
    return (p[:, at] * hit).sum(axis=-1).mean(axis=-1)


@wrong("16.head_score", says="should have (1,)")
def one_number_for_all_heads(p, ids, at, shift):
    return np.array((p[:, at] * hits(ids, ids[at + 1], shift)).sum(axis=-1).mean())


@wrong("16.ablate_head", says="there the heads are mixed")
def the_output_cut(y, w, b, n_head, h):
    D = y.shape[-1] // n_head
    out = y @ w + b
    out[..., h * D : (h + 1) * D] = 0
    return out


@wrong("16.ablate_head", says="there the heads are mixed")
def columns_in_place_of_rows(y, w, b, n_head, h):
    D = y.shape[-1] // n_head
    w = w.copy()
    w[:, h * D : (h + 1) * D] = 0
    return y @ w + b


@wrong("16.ablate_head", says="the bias b is gone")
def without_the_bias(y, w, b, n_head, h):
    D = y.shape[-1] // n_head
    y = y.copy()
    y[..., h * D : (h + 1) * D] = 0
    return y @ w


@wrong("16.ablate_head", says="head h alone is left")
def the_others_cut(y, w, b, n_head, h):
    D = y.shape[-1] // n_head
    only = np.zeros_like(y)
    only[..., h * D : (h + 1) * D] = y[..., h * D : (h + 1) * D]
    return only @ w + b


@wrong("16.ablate_head", says="D channels of a head")
def every_nth_channel(y, w, b, n_head, h):
    y = y.copy()
    y[..., h::n_head] = 0
    return y @ w + b


@wrong("16.ablate_head", says="D channels of a head")
def one_channel(y, w, b, n_head, h):
    y = y.copy()
    y[..., h] = 0
    return y @ w + b


@wrong("16.ablate_head", says="writes into its argument y")
def in_the_callers_array(y, w, b, n_head, h):
    D = y.shape[-1] // n_head
    own = y[..., h * D : (h + 1) * D]
    own *= 0
    return y @ w + b


@wrong("16.paired", says="subtract seed by seed first")
def spreads_of_the_two_sides(changed, baseline):
    both = np.var(changed, ddof=1) + np.var(baseline, ddof=1)
    return np.mean(changed) - np.mean(baseline), np.sqrt(both)


@wrong("16.paired", says="should be by n - 1")
def divided_by_n(changed, baseline):
    d = np.array(changed) - np.array(baseline)
    return d.mean(), d.std()


@wrong("16.paired", says="the sign is turned")
def the_gain(changed, baseline):
    d = np.array(baseline) - np.array(changed)
    return d.mean(), d.std(ddof=1)


@wrong("16.paired", says="the spread of the mean")
def the_standard_error(changed, baseline):
    d = np.array(changed) - np.array(baseline)
    return d.mean(), d.std(ddof=1) / np.sqrt(len(d))


@wrong("16.paired", says="not the mean difference")
def the_best_of_each(changed, baseline):
    d = np.array(changed) - np.array(baseline)
    return min(changed) - min(baseline), d.std(ddof=1)


@wrong("16.paired", says="return two numbers")
def the_mean_alone(changed, baseline):
    return np.mean(changed) - np.mean(baseline)
