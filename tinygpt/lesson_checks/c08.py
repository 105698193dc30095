"""Lesson 08: `attention` and `attention_backward`, for one head and for many."""

import math
from typing import Any

import numpy as np

from tinygpt import ops
from tinygpt.backend import Array
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_parts,
)

NAMES = ("dq", "dk", "dv")


def numbers(shape: tuple[int, ...], k: int) -> Array:
    """Quarters between -1.5 and 1.5 in no order, the same everywhere."""
    i = np.arange(math.prod(shape), dtype=np.float64)
    return ((i * i * k + 3 * i) % 13 - 6).reshape(shape) / 4


# The smallest first; the lesson's own numbers are the third.
LESSON = (
    np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [1.0, 2.0, 0.0, 0.0]]),
    np.array([[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]),
    np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 3.0, 1.0]]),
)
INPUTS: list[tuple[Array, Array, Array]] = [
    (np.array([[0.5, 1.0]]), np.array([[2.0, 0.0]]), np.array([[3.0, 1.0]])),
    (np.array([[1.0], [1.0]]), np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])),
    LESSON,
    *((numbers(s, 7), numbers(s, 3), numbers(s, 5)) for s in ((1, 2, 3, 2), (2, 3, 4, 5))),
]
HUGE = [  # scores of -1000 and 1000 that are seen, then one in the future, which nobody sees
    (np.array([[-1000.0], [1000.0]]), np.array([[1.0], [-1.0]]), np.array([[1.0], [3.0]])),
    (np.array([[1000.0], [1.0]]), np.array([[0.0], [1.0]]), np.array([[1.0], [3.0]])),
]
DY = [
    np.array([[2.0, 1.0]]),
    np.array([[1.0], [2.0]]),
    np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]),
    numbers((1, 2, 3, 2), 8),
    numbers((2, 3, 4, 5), 8),
]
# What PyTorch 2.13 gives for INPUTS[3] and DY[3] in float64, flattened: y of
# F.scaled_dot_product_attention(q, k, v, is_causal=True), then the .grad of q, k, v after
# y.backward(dy)
GOLDEN = {
    "y": [-1.5, 0.5, -1.5, -0.47489053031, -1.38356346054, 0.220144483511,
          -0.75, 0.0, -0.408059582512, -0.341940417488, 0.0584303700015, -0.646744296001],
    "dq": [0.0, 0.0, 0.226240692618, 0.180992554094, 0.0890505211677, 0.0604209515956,
           0.0, 0.0, 0.0739980514877, 0.147996102975, -0.480710654887, -0.723405320079],
    "dk": [-0.0920771832727, -0.0484099509749, 0.0650285199263, -0.00568737571794,
           0.0270486633464, 0.0540973266928, 0.346750578405, -0.149065856572,
           0.129281400983, -0.207958127969, -0.476031979388, 0.357023984541],
    "dv": [-0.782455751763, 1.03555395979, 1.31670959392, -0.401990499253,
           0.465746157846, 0.116436539461, 0.283510047487, 1.28623560903,
           0.0622747675127, 0.198822612975, 0.404215185001, -0.485058222001],
}  # fmt: skip


def attention(q: Array, k: Array, v: Array) -> Array:
    y, _ = ops.causal_attention_forward(*(x.reshape(1, -1, *x.shape[-2:]) for x in (q, k, v)))
    return y.reshape(q.shape)


def attention_backward(dy: Array, q: Array, k: Array, v: Array) -> tuple[Array, ...]:
    dy4, *qkv = (x.reshape(1, -1, *x.shape[-2:]) for x in (dy, q, k, v))
    _, cache = ops.causal_attention_forward(*qkv)
    return tuple(d.reshape(q.shape) for d in ops.causal_attention_backward(dy4, cache))


def attention_is_right(f: Candidate) -> None:
    for q, k, v in INPUTS:
        expect_array(f, f(q, k, v), q.shape)
    for dtype in (np.float32, np.float64):
        small = [x.astype(dtype) for x in INPUTS[1]]
        expect_array(f, f(*small), small[0].shape, dtype)
    for q, k, v in INPUTS:
        expect_finite(f, f(q, k, v), attention(q, k, v))
        the_past_stays(f, q, k, v)
        ones = f(q, k, np.ones(v.shape))
        expect_close(f, ones, np.ones(v.shape), "with ones for values the result is not 1: the "
                     "weights of a row, along the last axis, do not sum to 1")  # fmt: skip
    for q, k, v in INPUTS:
        y, D = f(q, k, v), q.shape[-1]
        right = attention(q, k, v)
        for factor, sentence in ((math.sqrt(D), "the scores are not divided by sqrt(D)"),
                                 (1 / math.sqrt(D), "the scores are divided by D and should be "
                                  "divided by sqrt(D)")):  # fmt: skip
            as_if = D > 1 and np.allclose(y, attention(q * factor, k, v), atol=1e-12)
            other = not np.allclose(right, attention(q * factor, k, v), atol=1e-12)
            expect(not (as_if and other), sentence, f, yours=y, right=right)
        expect_close(f, y, right, "it is not softmax(q kᵀ / sqrt(D) + mask) v")
    q, k, v = INPUTS[3]
    golden = np.array(GOLDEN["y"]).reshape(q.shape)
    expect_close(f, f(q, k, v), golden, "it differs from what PyTorch gives for the same input")
    for q, k, v in HUGE:
        y, right = f(q, k, v), attention(q, k, v)
        expect_finite(f, y, right)
        expect_close(f, y, right, "large scores give a wrong result")


def the_past_stays(f: Candidate, q: Array, k: Array, v: Array) -> None:
    """A change at position t changes nothing before t, and something at t."""
    before = f(q, k, v)
    for t in range(1, q.shape[-2]):
        changed = [x.copy() for x in (q, k, v)]
        for x, step in zip(changed, (1.0, 2.0, -4.0), strict=True):
            x[..., t:, :] += step
        after = f(*changed)
        moved = np.abs(after - before).max(axis=-1) > 1e-9
        past = moved[..., :t].reshape(-1, t).any(axis=0)
        where = int(np.argmax(past))
        expect(
            not past.any(),
            f"a change of q, k and v from position {t} on changes the result at position {where}, "
            "which looks into the future",
            f, before=before, after=after,
        )  # fmt: skip
        expect(
            bool(moved[..., t].all()),
            f"a change of q, k and v at position {t} does not change the result there: a position "
            "sees itself, too",
            f, before=before, after=after,
        )  # fmt: skip


def three(
    f: Candidate, dy: Array, q: Array, k: Array, v: Array, dtype: Any = None
) -> tuple[Array, ...]:
    """What f returns: three arrays shaped like q."""
    parts = expect_parts(f, f(dy, q, k, v), *NAMES)
    for name, d in zip(NAMES, parts, strict=True):
        expect_array(f, d, q.shape, dtype, part=name)
    return parts


def attention_backward_is_right(f: Candidate) -> None:
    cases = [(dy, *qkv) for dy, qkv in zip(DY, INPUTS, strict=True)]
    for case in cases:
        three(f, *case)
    for dtype in (np.float32, np.float64):
        dy, q, k, v = (x.astype(dtype) for x in cases[1])
        three(f, dy, q, k, v, dtype)
    for case in cases:
        for d, right in zip(three(f, *case), attention_backward(*case), strict=True):
            expect_finite(f, d, right)
        the_sums_are_right(f, *case)
        no_way_back_from_the_past_to_the_future(f, *case)
    for case in cases:
        the_numbers_are_right(f, *case)
    for dy, *qkv in cases:
        q, k, v = (x.copy() for x in qkv)

        def loss(q: Array = q, k: Array = k, v: Array = v, dy: Array = dy) -> float:
            return float((attention(q, k, v) * dy).sum())

        grads = dict(zip("qkv", three(f, dy, q, k, v), strict=True))
        expect_gradient(f, loss, {"q": q, "k": k, "v": v}, grads)
    for name, d in zip(NAMES, three(f, *cases[3]), strict=True):
        golden = np.array(GOLDEN[name]).reshape(d.shape)
        expect_close(f, d, golden, f"{name} differs from what PyTorch gives for the same input")
    for q, k, v in HUGE:
        case = (np.ones(q.shape), q, k, v)
        for d, right in zip(three(f, *case), attention_backward(*case), strict=True):
            expect_finite(f, d, right)


def the_sums_are_right(f: Candidate, dy: Array, q: Array, k: Array, v: Array) -> None:
    _, dk, dv = three(f, dy, q, k, v)
    expect_close(
        f, dv.sum(axis=-2), dy.sum(axis=-2),
        "added over the positions, dv is not dy (rows of weights sum to 1, so what goes back to "
        "the values is dy, shared out)",
        shown="sums of dv",
    )  # fmt: skip
    expect_close(
        f, dk.sum(axis=-2), np.zeros(dk.sum(axis=-2).shape),
        "added over the positions, dk is not 0 (one vector added to every key changes no weight): "
        "look at the way back through the softmax, and at the transposes",
        shown="sums of dk", tolerance=1e-6,
    )  # fmt: skip


def no_way_back_from_the_past_to_the_future(
    f: Candidate, dy: Array, q: Array, k: Array, v: Array
) -> None:
    """A loss that reads position t alone knows nothing of positions after t."""
    for t in range(q.shape[-2] - 1):
        only = np.zeros(dy.shape)
        only[..., t, :] = 1.0
        for name, d in zip(NAMES, three(f, only, q, k, v), strict=True):
            future = np.abs(d[..., t + 1 :, :]).max() > 1e-9
            expect(not future, f"with dy at position {t} alone, {name} is not 0 after it, "
                   "where it saw nothing", f, **{f"your {name}": d})  # fmt: skip


def the_numbers_are_right(f: Candidate, dy: Array, q: Array, k: Array, v: Array) -> None:
    got, right, D = three(f, dy, q, k, v), attention_backward(dy, q, k, v), q.shape[-1]
    for name, yours, wanted in zip(NAMES, got, right, strict=True):
        if D > 1 and name != "dv" and np.abs(wanted).max() > 1e-6:
            expect(not np.allclose(yours, math.sqrt(D) * wanted), f"{name} is sqrt(D) times too "
                   "large: the scores were divided by it, and so is their gradient", f,
                   yours=yours, right=wanted)  # fmt: skip
        expect_close(f, yours, wanted, f"{name} is not the gradient", shown=f"your {name}")


CHECKS = [
    Check(
        name="08.attention",
        arguments=("q", "k", "v"),
        properties=attention_is_right,
        right="the future cannot change the past, weights sum to 1, one head and many equal "
        "PyTorch's numbers, scores of 1000 are no trouble",
        library=attention,
        hints=(
            "Five steps: scores, divide, mask, softmax, mean of the values. Which of the axes are "
            "the two positions of a score, and which ones only stand in front?",
            "k.swapaxes(-1, -2) is the transpose of the last two axes, whatever stands before "
            "them. The mask is 0 where j <= i and -inf elsewhere, and is added before the softmax: "
            "np.triu(np.full((T, T), -np.inf), k=1).",
            "T, D = q.shape[-2:]; s = q @ k.swapaxes(-1, -2) / math.sqrt(D); add the mask, made "
            "with dtype q.dtype; p = softmax_forward(s)[0]; return p @ v.",
        ),
    ),
    Check(
        name="08.attention_backward",
        arguments=("dy", "q", "k", "v"),
        properties=attention_backward_is_right,
        right="dq, dk and dv equal finite differences and PyTorch's numbers, no gradient flows "
        "from the past to the future",
        library=attention_backward,
        hints=(
            "Compute the weights p again as in the forward pass; then take the three parts of the "
            "derivation from the last to the first.",
            "dv = pᵀ dy and dp = dy vᵀ; ds = p · (dp − the row's sum of p · dp), with "
            "keepdims=True; then ds is divided by sqrt(D) like s. Transposes are swapaxes(-1, -2).",
            "ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True)) / math.sqrt(D); dq = ds @ k; "
            "dk = ds.swapaxes(-1, -2) @ q; return dq, dk, dv.",
        ),
    ),
]
