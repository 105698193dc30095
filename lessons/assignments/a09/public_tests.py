"""What you can check yourself in assignment 09. Each function is one check; read them.

`student.block` is your function: it gets read-only copies, so that writing into an argument is
seen. `variant` has the constants of your class.
"""

import numpy as np

from tinygpt.lesson_checks.block_checks import expect_tree, refill
from tinygpt.lesson_checks.core import (
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_number,
    expect_parts,
)
from tinygpt.lesson_checks.example_gpt import Params, cast, flatten, numbers_like


def layer(rng, inputs, outputs):
    return {
        "w": rng.standard_normal((inputs, outputs)) * 0.5,
        "b": rng.standard_normal(outputs) / 3,
    }


def norm(rng, C):
    return {"w": 1 + rng.standard_normal(C) / 3, "b": rng.standard_normal(C) / 3}


def block_parameters(rng, C, factor):
    tree = {
        "ln1": norm(rng, C),
        "attn": {"qkv": layer(rng, C, 3 * C), "proj": layer(rng, C, C)},
        "ln2": norm(rng, C),
        "mlp": {"fc": layer(rng, C, factor * C), "proj": layer(rng, factor * C, C)},
    }
    return Params(tree, f"a block of {C} channels")


def parameters(V, T, L, C, factor):
    """All parameters of a small GPT, of order one, the same at every call."""
    rng = np.random.default_rng(9)
    tree = {
        "wte": rng.standard_normal((V, C)),
        "wpe": rng.standard_normal((T, C)) / 2,
        "h": [block_parameters(rng, C, factor) for _ in range(L)],
        "lnf": norm(rng, C),
    }
    return Params(tree, f"a GPT of {L} block{'s' * (L != 1)} and {C} channels")


def block_cases(variant):
    """x, p, n_head; the smallest first."""
    rng = np.random.default_rng(8)
    sizes = [((1, 1, 3), 1), ((1, 2, 4), variant["heads"]), ((2, 3, 4), 2)]
    return [(numbers_like(s), block_parameters(rng, s[-1], variant["factor"]), H) for s, H in sizes]


def gpt_cases(variant):
    """ids, p, n_head; a text shorter than the context, then several with repeated ids."""
    factor, H = variant["factor"], variant["heads"]
    return [
        (np.array([[1]]), parameters(3, 2, 1, 3, factor), 1),
        (np.array([[2, 2]]), parameters(4, 3, 2, 4, factor), H),
        (np.array([[0, 3, 0, 4], [1, 1, 6, 0]]), parameters(7, 5, 2, 4, factor), H),
    ]


def silent(p):
    """A copy of a block in which both branches give 0."""
    quiet = Params({k: dict(part) for k, part in p.items()}, f"{p.says}, both proj (w and b) at 0")
    for name in ("attn", "mlp"):
        quiet[name]["proj"] = {key: np.zeros_like(a) for key, a in p[name]["proj"].items()}
    return quiet


def gelu_is_a_soft_step(student, variant):
    """0 gives 0, 10 gives 10, -10 gives 0; the shape and the dtype of x."""
    f = student.gelu
    for x in (np.array([0.0, 10.0, -10.0]), np.array([[1.0, -1.0], [30.0, -30.0]])):
        for dtype in (np.float64, np.float32):
            y, _ = expect_parts(f, f(x.astype(dtype)), "y", "cache")
            expect_array(f, y, x.shape, dtype, part="y")
            expect_finite(f, y)
            far = np.abs(x) >= 10
            right = np.where(x > 0, x, 0.0)
            expect_close(
                f, y[far], right[far], "far from 0, y should be x, or 0", shown="yours, far"
            )
    y, _ = f(np.array([0.0, 1.0, -1.0]))
    expect(abs(y[0]) < 1e-9 and 0.8 < y[1] < 0.9 and -0.2 < y[2] < -0.1, "near 0 it should rise "
           "from 0 at 0 to about 0.84 at 1, and be about -0.16 at -1", f, yours=y)  # fmt: skip


def gelu_backward_is_the_slope(student, variant):
    """Finite differences of your own gelu."""
    f, g = student.gelu, student.gelu_backward
    for x in (np.array([0.5]), np.array([[0.0, 1.0, -1.0], [2.5, -0.3, -4.0]])):
        x = x.copy()
        dy = numbers_like(x.shape) + 0.7
        _, cache = expect_parts(f, f(x), "y", "cache")
        dx = g(dy, cache)
        expect_array(g, dx, x.shape)
        expect_finite(g, dx)

        def loss(x=x, dy=dy):
            return float((dy * f(x)[0]).sum())

        expect_gradient(g, loss, {"x": x}, {"x": dx},
                        "it is not the gradient of your own gelu: one of the two is "
                        "wrong")  # fmt: skip


def a_silent_block_gives_back_x(student, variant):
    """With both proj at 0 the block is y = x; with one of them, something is added."""
    f = student.block
    for x, p, H in block_cases(variant):
        y, _ = expect_parts(f, f(x, silent(p), H), "y", "cache")
        expect_array(f, y, x.shape, part="y")
        expect_close(f, y, x, "with both branches giving 0, the block should give back x")
        y, _ = f(x, p, H)
        expect(not np.allclose(y, x), "the branches add nothing to x", f, yours=y)
    for dtype in (np.float32, np.float64):
        x, p, H = block_cases(variant)[1]
        y, _ = f(x.astype(dtype), cast(p, dtype), H)
        expect_array(f, y, x.shape, dtype, part="y")


def block_backward_is_the_slope(student, variant):
    """Finite differences of your own block, for x and for every parameter."""
    f, g = student.block, student.block_backward
    for x, p, H in block_cases(variant)[:2]:
        dy = numbers_like(x.shape)[..., ::-1].copy()
        _, cache = expect_parts(f, f(x, p, H), "y", "cache")
        dx, grads = expect_parts(g, g(dy, cache), "dx", "g")
        expect_array(g, dx, x.shape, part="dx")
        expect_tree(g, grads, p)
        arrays = {"x": x.copy()} | {k: a.copy() for k, a in flatten(p).items()}

        def loss(arrays=arrays, p=p, H=H, dy=dy):
            return float((dy * f(arrays["x"], refill(p, arrays), H)[0]).sum())

        expect_gradient(g, loss, arrays, {"x": dx} | flatten(grads),
                        "it is not the gradient of your own block: one of the two is "
                        "wrong")  # fmt: skip


def parameters_are_counted(student, variant):
    """As many as a tree of parameters really has."""
    f = student.parameter_count
    for V, T, L, C in ((3, 2, 0, 1), (3, 2, 1, 2), (5, 4, 3, 6), (50257, 1024, 0, 8)):
        got = f(V, T, L, C)
        expect_number(f, got)
        right = sum(a.size for a in flatten(parameters(V, T, L, C, variant["factor"])).values())
        expect(got == right, f"it is {got} and should be {right}", f)


def gpt_sees_no_future(student, variant):
    """Logits (B, T, V); another id at position t changes nothing before t."""
    f = student.gpt
    for ids, p, H in gpt_cases(variant):
        logits, _ = expect_parts(f, f(ids, p, H), "logits", "cache")
        expect_array(f, logits, (*ids.shape, len(p["wte"])), part="logits")
        expect_finite(f, logits)
        for t in range(ids.shape[1]):
            changed = ids.copy()
            changed[:, t:] = (changed[:, t:] + 1) % len(p["wte"])
            moved = np.abs(f(changed, p, H)[0] - logits).max(axis=-1) > 1e-9
            expect(
                not moved[:, :t].any(), f"another id at position {t} changes logits before it", f
            )
            expect(bool(moved[:, t].all()), f"another id at position {t} changes nothing there", f)


def gpt_backward_is_the_slope(student, variant):
    """Finite differences of your own gpt, for every parameter."""
    f, g = student.gpt, student.gpt_backward
    for ids, p, H in gpt_cases(variant)[1:2]:
        logits, cache = expect_parts(f, f(ids, p, H), "logits", "cache")
        dlogits = numbers_like(np.shape(logits))
        grads = g(dlogits, cache)
        expect_tree(g, grads, p)
        arrays = {k: a.copy() for k, a in flatten(p).items()}

        def loss(arrays=arrays, ids=ids, p=p, H=H, dlogits=dlogits):
            return float((dlogits * f(ids, refill(p, arrays), H)[0]).sum())

        expect_gradient(g, loss, arrays, flatten(grads),
                        "it is not the gradient of your own gpt: one of the two is "
                        "wrong")  # fmt: skip
