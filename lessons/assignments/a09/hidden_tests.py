"""What only the grader runs in assignment 09: the right numbers come from the solution."""

import numpy as np

from tinygpt.lesson_checks.block_checks import expect_tree
from tinygpt.lesson_checks.core import (
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_parts,
)
from tinygpt.lesson_checks.example_gpt import Params, cast, flatten, numbers_like


def tree_like(shapes, rng):
    """Arrays of order one for a tree of shapes."""
    if isinstance(shapes, dict):
        return {key: tree_like(part, rng) for key, part in shapes.items()}
    if isinstance(shapes, list):
        return [tree_like(part, rng) for part in shapes]
    return rng.standard_normal(shapes) * 0.6 + (0.5 if len(shapes) == 1 else 0.0)


def block_shapes(C, factor):
    def layer(inputs, outputs):
        return {"w": (inputs, outputs), "b": (outputs,)}

    norm, F = {"w": (C,), "b": (C,)}, factor * C
    attn = {"qkv": layer(C, 3 * C), "proj": layer(C, C)}
    return {"ln1": norm, "attn": attn, "ln2": norm, "mlp": {"fc": layer(C, F), "proj": layer(F, C)}}


def block_cases(variant):
    rng = np.random.default_rng(99)
    sizes = [((1, 1, 3), 1), ((1, 3, 4), variant["heads"]), ((2, 4, 6), 2)]
    return [
        (
            numbers_like(shape),
            Params(
                tree_like(block_shapes(shape[-1], variant["factor"]), rng),
                f"a block of {shape[-1]} channels",
            ),
            n_head,
        )
        for shape, n_head in sizes
    ]


def gpt_cases(variant):
    rng, cases = np.random.default_rng(98), []
    for ids, V, T, L, C, n_head in (
        ([[1]], 3, 2, 1, 3, 1),
        ([[2, 2, 0]], 4, 5, 2, 4, variant["heads"]),
        ([[0, 3, 0, 4], [1, 1, 6, 0]], 7, 4, 3, 6, 2),
    ):
        shapes = {
            "wte": (V, C),
            "wpe": (T, C),
            "h": [block_shapes(C, variant["factor"])] * L,
            "lnf": {"w": (C,), "b": (C,)},
        }
        p = Params(tree_like(shapes, rng), f"a GPT of {L} block{'s' * (L != 1)} and {C} channels")
        cases.append((np.array(ids), p, n_head))
    return cases


X = [np.array([1.0]), np.array([[0.0, 1.0, -1.0], [2.5, -0.3, -4.0]]), np.linspace(-5, 5, 24)]


def gelu_has_the_right_numbers(student, variant, solution):
    f = student.gelu
    for x in X:
        y, _ = expect_parts(f, f(x), "y", "cache")
        right, _ = solution.gelu(x)
        expect_array(f, y, x.shape, part="y")
        expect_close(f, y, right, f"it is not the gelu of your class, with {variant['gelu']}")


def gelu_backward_has_the_right_numbers(student, variant, solution):
    f, g = student.gelu, student.gelu_backward
    for x in X:
        for dtype in (np.float64, np.float32):
            z = x.astype(dtype)
            dy = (numbers_like(x.shape) + 0.7).astype(dtype)
            _, cache = expect_parts(f, f(z), "y", "cache")
            dx = g(dy, cache)
            expect_array(g, dx, x.shape, dtype)
            right = solution.gelu_backward(dy, solution.gelu(z)[1])
            expect_finite(g, dx, right)
            tolerance = 1e-9 if dtype == np.float64 else 1e-4
            expect_close(g, dx, right, "it is not the gradient", tolerance=tolerance)


def block_has_the_right_numbers(student, variant, solution):
    f = student.block
    for x, p, n_head in block_cases(variant):
        y, _ = expect_parts(f, f(x, p, n_head), "y", "cache")
        right, _ = solution.block(x, p, n_head)
        expect_array(f, y, x.shape, part="y")
        expect_finite(f, y, right)
        stand = "one after the other" if variant["block"] == "serial" else "side by side"
        expect_close(f, y, right, "it is not x, plus attention of its norm, plus the MLP of its "
                     f"norm, the branches {stand}")  # fmt: skip


def block_backward_has_the_right_numbers(student, variant, solution):
    f, g = student.block, student.block_backward
    for dtype in (np.float64, np.float32):
        for x, p, n_head in block_cases(variant):
            x, p = x.astype(dtype), cast(p, dtype)
            dy = numbers_like(x.shape)[..., ::-1].astype(dtype)
            _, cache = expect_parts(f, f(x, p, n_head), "y", "cache")
            dx, grads = expect_parts(g, g(dy, cache), "dx", "g")
            right_dx, right = solution.block_backward(dy, solution.block(x, p, n_head)[1])
            expect_array(g, dx, x.shape, dtype, part="dx")
            expect_tree(g, grads, p)
            close(g, {"dx": (dx, right_dx)} | pairs(grads, right), dtype)


def pairs(grads, right):
    """Path -> (yours, right), named as they are written in code."""
    return {f"g{path}": (flatten(grads)[path], d) for path, d in flatten(right).items()}


def close(f, both, dtype):
    """Every gradient is the right one, and none is left out: `both` has (yours, right) by name."""
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    for name, (yours, right) in both.items():
        expect_finite(f, yours, right)
        expect_close(f, yours, right, f"{name} is not the gradient", tolerance=tolerance)


def gpt_has_the_right_numbers(student, variant, solution):
    f = student.gpt
    for ids, p, n_head in gpt_cases(variant):
        logits, _ = expect_parts(f, f(ids, p, n_head), "logits", "cache")
        right, _ = solution.gpt(ids, p, n_head)
        expect_array(f, logits, right.shape, part="logits")
        expect_finite(f, logits, right)
        turned, _ = solution.gpt(ids, {**p, "h": p["h"][::-1]}, n_head)
        order = len(p["h"]) > 1 and np.allclose(logits, turned)
        expect(not order, "the blocks come in the wrong order: p['h'][0] is the first", f)
        expect_close(f, logits, right, "the logits are wrong: embeddings, blocks, last norm, "
                     "output layer, in this order")  # fmt: skip
    for dtype in (np.float32, np.float64):
        ids, p, n_head = gpt_cases(variant)[1]
        logits, _ = f(ids, cast(p, dtype), n_head)
        expect_array(f, logits, (*ids.shape, len(p["wte"])), dtype, part="logits")


def gpt_backward_has_the_right_numbers(student, variant, solution):
    f, g = student.gpt, student.gpt_backward
    for ids, p, n_head in gpt_cases(variant):
        logits, cache = expect_parts(f, f(ids, p, n_head), "logits", "cache")
        dlogits = numbers_like(np.shape(logits))
        grads = g(dlogits, cache)
        right = solution.gpt_backward(dlogits, solution.gpt(ids, p, n_head)[1])
        expect_tree(g, grads, p)
        close(g, pairs(grads, right), np.float64)
