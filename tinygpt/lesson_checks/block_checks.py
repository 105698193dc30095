"""Properties of a transformer block and of its backward pass, for lesson 09."""

from typing import Any

import numpy as np

from tinygpt import ops, transformer
from tinygpt.backend import Array
from tinygpt.lesson_checks.core import (
    Candidate,
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
)
from tinygpt.lesson_checks.example_gpt import (
    Params,
    block,
    block_backward,
    cast,
    close,
    example,
    flatten,
    numbers_like,
    silent,
    unlike,
)
from tinygpt.params import Tree

# ---- the block


def block_cases() -> list[tuple[Array, Params, int]]:
    """x, p, n_head; the smallest first, then lengths that all differ."""
    sizes = [((1, 1, 4), 1), ((1, 2, 4), 2), ((2, 3, 6), 2)]
    return [
        (numbers_like(shape), example(5, 3, 1, shape[2])["h"][0], n_head) for shape, n_head in sizes
    ]


def block_is_right(f: Candidate) -> None:
    cases = block_cases()
    for x, p, n_head in cases:
        expect_array(f, f(x, p, n_head), x.shape)
    for dtype in (np.float32, np.float64):
        x, p, n_head = cases[1]
        expect_array(f, f(x.astype(dtype), cast(p, dtype), n_head), x.shape, dtype)
    for x, p, n_head in cases:
        expect_finite(f, f(x, p, n_head), block(x, p, n_head))
        y = f(x, silent(p, "attn", "mlp"), n_head)
        expect(bool(np.abs(y).max() > 1e-9), "with both branches giving 0 the result is 0: x "
               "itself is not added; a residual is x + f(ln(x))", f, yours=y, right=x)  # fmt: skip
        expect_close(f, y, x, "with both branches giving 0 the block should give back x: a norm "
                     "stands inside a branch, ln first, and never on x's own way")  # fmt: skip
    for x, p, n_head in cases:
        one_branch_at_a_time(f, x, p, n_head)
    for x, p, n_head in cases:
        y, right = f(x, p, n_head), block(x, p, n_head)
        branches = [block(x, silent(p, other), n_head) - x for other in ("attn", "mlp")]
        stale = np.allclose(y, x + branches[0] + branches[1], atol=1e-9)
        expect(not stale, "the MLP reads x from before attention was added; it should read the "
               "sum: x = x + attention(ln1(x)), and from then on this x", f, yours=y,
               right=right)  # fmt: skip
        expect_close(f, y, right, "it is not x = x + attention(ln1(x)); y = x + mlp(ln2(x))")


def one_branch_at_a_time(f: Candidate, x: Array, p: Params, n_head: int) -> None:
    """With the other branch at 0, each one is as it should be."""
    forms = {"attn": ("attention", "ln1"), "mlp": ("mlp", "ln2")}
    for quiet, (branch, (name, ln)) in zip(("mlp", "attn"), forms.items(), strict=True):
        part = silent(p, quiet)
        y, right = f(x, part, n_head), block(x, part, n_head)
        says = f"with {quiet} giving 0, the block should be x + {name}({ln}(x))"
        bare = Params({**part, "ln1": identity(p, x), "ln2": identity(p, x)}, part.says)
        without = x + branch_alone(x, x, bare, branch, n_head, norm=False)
        expect(not close(y, without), f"{says}; yours reads x without its norm", f, yours=y,
               right=right)  # fmt: skip
        other = "ln2" if ln == "ln1" else "ln1"
        swapped = x + branch_alone(x, x, {**part, ln: part[other]}, branch, n_head)
        expect(not close(y, swapped), f"{says}; yours takes the parameters of {other}", f, yours=y,
               right=right)  # fmt: skip
        expect_close(f, y, right, says)


def identity(p: Tree, x: Array) -> Tree:
    return {"w": np.ones(x.shape[-1]), "b": np.zeros(x.shape[-1])}


def branch_alone(
    x: Array, read: Array, p: Tree, branch: str, n_head: int, norm: bool = True
) -> Array:
    """What a branch makes of `read`, with or without its norm."""
    ln = p["ln1" if branch == "attn" else "ln2"]
    h = ops.layernorm_forward(read, **ln)[0] if norm else read
    if branch == "attn":
        return transformer.attention_forward(h, p["attn"], n_head)[0]
    return transformer.mlp_forward(h, p["mlp"])[0]


# ---- its backward pass


def expect_tree(f: Candidate, g: Any, p: Tree) -> None:
    """g has the structure, the shapes and the dtype of p."""
    kind = type(g).__name__
    expect(isinstance(g, dict), f"g is a {kind} and should be a dict with the keys of p", f)
    wanted, got = flatten(p), flatten(g)
    for path, a in wanted.items():
        expect(path in got, f"g{path} is missing: g should have an array for each one of p", f)
        d = got[path]
        what = f"g{path} is a {type(d).__name__} and should be an array"
        expect(isinstance(d, np.ndarray), what, f)
        hint = "; the output layer uses wte transposed" if path == "['wte']" else ""
        expect(d.shape == a.shape, f"g{path} has shape {d.shape} and should have {a.shape}, as in "
               f"p{hint}", f)  # fmt: skip
        expect(d.dtype == a.dtype, f"g{path} is {d.dtype} and should be {a.dtype}: dtype in, "
               "dtype out", f)  # fmt: skip
        expect(bool(np.isfinite(d).all()), f"g{path} has a number that is not finite", f)
    for path in got:
        expect(path in wanted, f"g has {path}, which p has not", f)


def dx_and_g(f: Candidate, dy: Array, x: Array, p: Params, n_head: int) -> tuple[Array, Tree]:
    got: Any = f(dy, x, p, n_head)
    two = isinstance(got, tuple | list) and len(got) == 2
    expect(two, "return two things: dx, and the dict g with the gradients of p", f)
    dx, g = got
    expect_array(f, dx, x.shape, x.dtype)
    expect_tree(f, g, p)
    return dx, g


def block_backward_is_right(f: Candidate) -> None:
    cases = [(numbers_like(x.shape)[..., ::-1].copy(), x, p, n) for x, p, n in block_cases()]
    for case in cases:
        dx_and_g(f, *case)
    for dtype in (np.float32, np.float64):
        dy, x, p, n_head = cases[1]
        dx_and_g(f, dy.astype(dtype), x.astype(dtype), cast(p, dtype), n_head)
    for case in cases:
        past_the_branches(f, *case)
    for case in cases:
        dx, g = dx_and_g(f, *case)
        right_dx, right = block_backward(*case)
        for path, d in flatten(right).items():
            expect_close(f, flatten(g)[path], d, f"g{path} is not its gradient: is what comes to "
                         "it from above right?", shown="yours")  # fmt: skip
        dy, x, p, n_head = case
        middle = right_dx - dx_of_attention(*case)
        expect(not np.allclose(dx, right_dx - middle + dy), "past attention flows what arrived at "
               "the x in the middle, not dy: dx of the lower residual is a sum with *its* dy", f,
               yours=dx, right=right_dx)  # fmt: skip
        expect_close(f, dx, right_dx, "dx is not the gradient", shown="your dx")
    for dy, x, p, n_head in cases:
        arrays = {"x": x.copy()} | {k: a.copy() for k, a in flatten(p).items()}
        dx, g = dx_and_g(f, dy, x, p, n_head)
        grads = {"x": dx} | flatten(g)

        def loss(arrays: Any = arrays, dy: Array = dy, p: Tree = p, n_head: int = n_head) -> float:
            tree = refill(p, arrays)
            return float((block(arrays["x"], tree, n_head) * dy).sum())

        expect_gradient(f, loss, arrays, grads)


def refill(tree: Any, arrays: dict[str, Array], path: str = "") -> Any:
    """The same tree with the arrays that stand under its paths."""
    if isinstance(tree, dict):
        return {key: refill(part, arrays, f"{path}[{key!r}]") for key, part in tree.items()}
    if isinstance(tree, list):
        return [refill(part, arrays, f"{path}[{i}]") for i, part in enumerate(tree)]
    return arrays[path]


def dx_of_attention(dy: Array, x: Array, p: Tree, n_head: int) -> Array:
    """The part of dx that comes through the attention branch."""
    _, (ln1, att, ln2, mlp, _) = transformer.block_forward(x, p, n_head)
    g = unlike(p)
    middle = dy + transformer.layernorm_grads(
        transformer.mlp_backward(dy, mlp, g["mlp"], accumulate=False), ln2, g["ln2"], False
    )
    dh = transformer.attention_backward(middle, att, g["attn"], accumulate=False)
    return transformer.layernorm_grads(dh, ln1, g["ln1"], False)


def past_the_branches(f: Candidate, dy: Array, x: Array, p: Params, n_head: int) -> None:
    """With both branches giving 0 the block is y = x."""
    quiet = silent(p, "attn", "mlp")
    dx, g = dx_and_g(f, dy, x, quiet, n_head)
    total = dy.reshape(-1, dy.shape[-1]).sum(axis=0)
    begin = "with both branches giving 0 the block is y = x, so "
    name = "g['mlp']['proj']['b']"
    expect_close(f, g["mlp"]["proj"]["b"], total, f"{begin}the MLP's proj gets dy itself, and "
                 f"{name} is its sum over the rows", shown=name)  # fmt: skip
    name = "g['attn']['proj']['b']"
    expect_close(f, g["attn"]["proj"]["b"], total, f"{begin}dy arrives at attention too, past the "
                 f"MLP, and {name} is its sum over the rows: y = x + mlp(ln2(x)) gives x two "
                 "gradients, which are added", shown=name)  # fmt: skip
    expect_close(f, dx, dy, f"{begin}dx should be dy: x + attention(ln1(x)) gives x two gradients, "
                 "the branch's and the one that flows past it, which are added",
                 shown="your dx")  # fmt: skip
