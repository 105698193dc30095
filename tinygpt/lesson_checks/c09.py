"""Lesson 09: `block` and `gpt_forward`, their backward passes, and `parameter_count`."""

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygpt import ops
from tinygpt.backend import Array
from tinygpt.config import ModelConfig
from tinygpt.lesson_checks.block_checks import (
    block_backward_is_right,
    block_is_right,
    expect_tree,
    refill,
)
from tinygpt.lesson_checks.core import (
    Candidate,
    Check,
    expect,
    expect_array,
    expect_close,
    expect_finite,
    expect_gradient,
    expect_number,
)
from tinygpt.lesson_checks.example_gpt import (
    Params,
    block,
    block_backward,
    cast,
    close,
    example,
    flatten,
    gpt_backward,
    gpt_forward,
    model_of,
    parameter_count,
    silent,
    silent_gpt,
)
from tinygpt.model import GPT
from tinygpt.params import Tree

# ---- the GPT


def gpt_cases() -> list[tuple[Array, Params, int]]:
    """ids, p, n_head; in the second a short text, in the third several, with repeated ids."""
    return [
        (np.array([[1]]), example(3, 2, 1, 4), 1),
        (np.array([[2, 2]]), example(4, 3, 2, 4), 2),
        (np.array([[0, 3, 0, 4], [1, 1, 6, 0]]), example(7, 5, 3, 6), 2),
    ]


def gpt_forward_is_right(f: Candidate) -> None:
    cases = gpt_cases()
    for ids, p, n_head in cases:
        expect_array(f, f(ids, p, n_head), (*ids.shape, len(p["wte"])))
    for dtype in (np.float32, np.float64):
        ids, p, n_head = cases[1]
        expect_array(f, f(ids, cast(p, dtype), n_head), (*ids.shape, len(p["wte"])), dtype)
    for ids, p, n_head in cases:
        expect_finite(f, f(ids, p, n_head), gpt_forward(ids, p, n_head))
        without_blocks(f, ids, p, n_head)
    for ids, p, n_head in cases:
        every_block_in_its_turn(f, ids, p, n_head)
        no_position_sees_the_future(f, ids, p, n_head)
        expect_close(f, f(ids, p, n_head), gpt_forward(ids, p, n_head), "the logits are wrong: "
                     "embeddings, blocks, last norm, output layer, in this order")  # fmt: skip
    config = ModelConfig(vocab_size=50, block_size=8, n_layer=2, n_head=2, n_embd=16)
    fresh = Params(GPT(config, dtype=np.float64).params, f"GPT({config}).params")
    ids = np.arange(48).reshape(6, 8)
    loss = ops.cross_entropy_forward(f(ids, fresh, 2), ids + 1)[0]
    expect(abs(loss - np.log(50)) < 0.08, f"a model that is not trained should have a loss near "
           f"ln V = {np.log(50):.2f}; yours has {loss:.2f}", f)  # fmt: skip


def without_blocks(f: Candidate, ids: Array, p: Params, n_head: int) -> None:
    """When no block does anything, embeddings, the last norm and the output layer are left."""
    quiet = silent_gpt(p)
    y = f(ids, quiet, n_head)
    wte, T = p["wte"], ids.shape[1]
    x = wte[ids] + p["wpe"][:T]
    right = ops.layernorm_forward(x, **p["lnf"])[0] @ wte.T
    begin = "with blocks that add nothing, the logits should be lnf(wte[ids] + wpe[:T]) @ wte.T"
    for wrong, says in (
        (x @ wte.T, "the last norm, lnf, is missing"),
        (ops.layernorm_forward(wte[ids], **p["lnf"])[0] @ wte.T, "the position, wpe, is missing"),
        (ops.softmax_forward(right)[0], "these are probabilities; the loss wants logits"),
    ):
        expect(not close(y, wrong), f"{begin}; {says}", f, yours=y, right=right)
    expect_close(f, y, right, begin)


def every_block_in_its_turn(f: Candidate, ids: Array, p: Params, n_head: int) -> None:
    y, L = f(ids, p, n_head), len(p["h"])
    right = gpt_forward(ids, p, n_head)
    turned = gpt_forward(ids, {**p, "h": p["h"][::-1]}, n_head)
    expect(L == 1 or not np.allclose(y, turned), "the blocks come in the wrong order: "
           "p['h'][0] is the first", f, yours=y, right=right)  # fmt: skip
    for i in range(L):
        quiet = [silent(b, "attn", "mlp") if i == j else b for j, b in enumerate(p["h"])]
        unused = np.allclose(y, f(ids, Params({**p, "h": quiet}, p.says), n_head), atol=1e-12)
        expect(not unused, f"block {i} of {L} changes nothing in the logits: x = block(x, …) for "
               "every one of p['h']", f, yours=y, right=right)  # fmt: skip


def no_position_sees_the_future(f: Candidate, ids: Array, p: Params, n_head: int) -> None:
    before = f(ids, p, n_head)
    for t in range(1, ids.shape[1]):
        changed = ids.copy()
        changed[:, t:] = (changed[:, t:] + 1) % len(p["wte"])
        past = np.abs(f(changed, p, n_head)[:, :t] - before[:, :t]).max()
        expect(bool(past < 1e-9), f"another id at position {t} changes logits before it", f)


def gpt_backward_is_right(f: Candidate) -> None:
    cases = []
    for ids, p, n_head in gpt_cases():
        targets = (ids * 2 + 1) % len(p["wte"])
        _, cache = ops.cross_entropy_forward(gpt_forward(ids, p, n_head), targets)
        cases.append((ops.cross_entropy_backward(1.0, cache), ids, p, n_head, targets))
    for dlogits, ids, p, n_head, _ in cases:
        expect_tree(f, f(dlogits, ids, p, n_head), p)
    for dtype in (np.float32, np.float64):
        dlogits, ids, p, n_head, _ = cases[1]
        p = cast(p, dtype)
        expect_tree(f, f(dlogits.astype(dtype), ids, p, n_head), p)
    for dlogits, ids, p, n_head, _ in cases:
        g, right = f(dlogits, ids, p, n_head), gpt_backward(dlogits, ids, p, n_head)
        the_tied_gradient(f, g, right, dlogits, ids, p, n_head)
        beyond = g["wpe"][ids.shape[1] :]
        expect(not beyond.any(), "g['wpe'] is not 0 at places that no text reaches", f,
               yours=g["wpe"])  # fmt: skip
        blocks = flatten({"h": right["h"][::-1]})
        turned = all(np.allclose(flatten(g)[k], a) for k, a in blocks.items())
        expect(len(p["h"]) == 1 or not turned, "the gradients of the blocks stand in the wrong "
               "order: g['h'][0] should be that of the first block, which comes last on the way "
               "back", f)  # fmt: skip
        for path, d in reversed(flatten(right).items()):
            expect_close(f, flatten(g)[path], d, f"g{path} is not its gradient")
    for dlogits, ids, p, n_head, targets in cases:
        arrays = {k: a.copy() for k, a in flatten(p).items()}
        grads = flatten(f(dlogits, ids, p, n_head))

        def loss(
            arrays: Any = arrays, ids: Array = ids, y: Array = targets, p: Tree = p, n: int = n_head
        ) -> float:
            return ops.cross_entropy_forward(gpt_forward(ids, refill(p, arrays), n), y)[0]

        expect_gradient(f, loss, arrays, grads)


def the_tied_gradient(
    f: Candidate, g: Tree, right: Tree, dlogits: Array, ids: Array, p: Tree, n_head: int
) -> None:
    """wte is used at the bottom and at the top; its gradient is the sum of both."""
    wte, name = right["wte"], "g['wte']"
    _, (*_, head_cache) = model_of(p, n_head).forward(ids)
    above = ops.linear_backward(dlogits, head_cache)[1].T
    below = wte - above
    yours: Any = g["wte"]
    for part, says in (
        (above, "it is the output layer's gradient alone; what comes to the embedding is lost"),
        (below, "it is the embedding's gradient alone; what came from the output layer is "
         "overwritten"),
    ):  # fmt: skip
        expect(not np.allclose(yours, part, atol=1e-12), f"{name} should be a sum, because wte is "
               f"used twice: {says}", f, yours=yours, right=wte)  # fmt: skip
    absent = np.setdiff1d(np.arange(len(wte)), ids)
    expect_close(f, yours[absent], above[absent], f"the rows of {name} whose tokens are not in the "
                 "ids are wrong: they get the output layer's gradient, and no other",
                 shown="your rows")  # fmt: skip
    expect_close(f, yours.sum(axis=0), wte.sum(axis=0), f"{name} has the wrong total: repeated ids "
                 "accumulate, and both uses of wte are added", shown="your totals")  # fmt: skip
    expect_close(f, yours, wte, f"{name} is not the sum of the gradients of its two uses",
                 shown=f"your {name}")  # fmt: skip


# ---- counting

SHAPES = [  # vocab_size, block_size, n_layer, n_embd; how many parameters it is known to have
    ("GPT-2", (50257, 1024, 12, 768), 124_439_808),
    ("GPT-2 medium", (50257, 1024, 24, 1024), 354_823_168),
    ("GPT-2 large", (50257, 1024, 36, 1280), 774_030_080),
    ("GPT-2 XL", (50257, 1024, 48, 1600), 1_557_611_200),
    ("the tales model", (2048, 240, 4, 224), 2_933_056),
]
FORGOTTEN: list[tuple[Callable[[int], int], str]] = [  # from the count of a block
    (lambda C: 13 * C, "the biases (9 C) and the two norms (4 C)"),
    (lambda C: 9 * C, "the biases of its four linear layers, 3 C + C + 4 C + C"),
    (lambda C: 4 * C, "its two norms, each with w and b"),
    (lambda C: 2 * C, "one of its two norms, or their biases"),
    (lambda C: C * C + C, "the linear layer at the end of attention, attn.proj"),
    (lambda C: C * C, "the matrix of the linear layer at the end of attention, attn.proj"),
]


def parameter_count_is_right(f: Candidate) -> None:
    def count(*shape: int) -> int:
        got = f(*shape)
        expect_number(f, got)
        whole = isinstance(got, numbers.Integral) or float(got).is_integer()
        expect(whole, f"{got} is no whole number", f)
        return int(got)

    for V, T, L, C in ((5, 3, 1, 2), (7, 4, 2, 6)):
        token = count(V + 1, T, L, C) - count(V, T, L, C)
        expect(token != 2 * C, f"one more token of the vocabulary adds {token} parameters and "
               f"should add C = {C}: the output layer is the same table, so it counts once", f,
               yours=token)  # fmt: skip
        expect(token == C, f"one more token of the vocabulary adds {token} parameters and should "
               f"add a row of C = {C}", f)  # fmt: skip
        place = count(V, T + 1, L, C) - count(V, T, L, C)
        expect(place == C, f"one more position adds {place} parameters and should add a row of "
               f"C = {C} to wpe", f)  # fmt: skip
        layer, right = count(V, T, L + 1, C) - count(V, T, L, C), 12 * C * C + 13 * C
        for missing, what in FORGOTTEN:
            expect(right - layer != missing(C), f"one more block adds {layer} parameters and "
                   f"should add {right}: what is missing are {what}", f)  # fmt: skip
        expect(layer == right, f"one more block adds {layer} parameters and should add {right}", f)
        got, right = count(V, T, L, C), parameter_count(V, T, L, C)
        expect(right - got != 2 * C, "the last norm, lnf, is missing: w and b", f, yours=got,
               right=right)  # fmt: skip
        expect(got == right, "the count is wrong", f, yours=got, right=right)
    for name, shape, right in SHAPES:
        got = count(*shape)
        expect(got == right, f"{name} has {right:,} parameters, yours {got:,}", f)


CHECKS = [
    Check(
        name="09.block",
        arguments=("x", "p", "n_head"),
        properties=block_is_right,
        right="each branch reads x through its own norm and is added to it, attention first, "
        "and what adds nothing changes nothing",
        library=block,
        hints=(
            "Two lines of the formula, two residuals. In each: norm, branch, add. What does the "
            "second one read?",
            "The normed row gets a name of its own, because x itself is still needed: h = "
            'ops.layernorm_forward(x, **p["ln1"])[0]. Each forward function returns its result '
            "and a cache; [0] takes the result.",
            'Then x = x + attention(h, p["attn"], n_head)[0]. The same again with ln2 and mlp, '
            'which read the new x: return x + mlp(h, p["mlp"])[0].',
        ),
    ),
    Check(
        name="09.parameter_count",
        arguments=("vocab_size", "block_size", "n_layer", "n_embd"),
        properties=parameter_count_is_right,
        right="token, position and block each add what they should, and GPT-2 has 124,439,808",
        library=parameter_count,
        hints=(
            "Go through the table from top to bottom, one line after the other. What is there L "
            "times, what once, and what stands in two places but is one array?",
            "A block has 4 C² + 4 C in attention, 8 C² + 5 C in the MLP, 2 C in each of its two "
            "norms.",
            "C = n_embd; return vocab_size * C + block_size * C + n_layer * (12 * C * C + 13 * C) "
            "+ 2 * C.",
        ),
    ),
    Check(
        name="09.gpt_forward",
        arguments=("ids", "p", "n_head"),
        properties=gpt_forward_is_right,
        right="embeddings, every block in its turn, the last norm, the tied output layer; no "
        "position sees the future, and untrained it has the loss ln V",
        library=gpt_forward,
        hints=(
            "Four lines and a loop: look up, loop over the blocks, norm, product. What is the "
            "shape after each?",
            'The position of a text of T tokens is p["wpe"][:T], which broadcasts over the batch. '
            'The output layer has no array of its own: it is p["wte"] transposed, without a bias.',
            'x = p["wte"][ids] + p["wpe"][: ids.shape[1]]; for each b of p["h"]: x = '
            'block(x, b, n_head); h = ops.layernorm_forward(x, **p["lnf"])[0]; '
            'return h @ p["wte"].T.',
        ),
    ),
    Check(
        name="09.block_backward",
        arguments=("dy", "x", "p", "n_head"),
        properties=block_backward_is_right,
        right="the gradient flows through each branch and past it, and dx and all twelve "
        "gradients of p equal finite differences",
        library=block_backward,
        hints=(
            "Begin with the chain above: it has all the pieces in the right order. Where does the "
            "forward pass use an x twice? There, two gradients are added.",
            "Two places: u is used by ln2 and by the sum past the MLP, which brings dy; x is used "
            "by ln1 and by the sum past attention, which brings du.",
            "In the chain, after ln2's line: du = dy + dh. Then du, not dh, goes into "
            "attention_backward, and the last line is return du + dx, g.",
        ),
    ),
    Check(
        name="09.gpt_backward",
        arguments=("dlogits", "ids", "p", "n_head"),
        properties=gpt_backward_is_right,
        right="wte gets the sum of its two uses, the blocks come back in reverse, and every "
        "gradient of the model equals finite differences",
        library=gpt_backward,
        hints=(
            "First your gpt_forward again, but keep what went into each block. Then its lines "
            "from the last to the first.",
            "logits, head_cache = ops.linear_forward(h, p['wte'].T) keeps what you need; dh, dw, "
            "_ = ops.linear_backward(dlogits, head_cache), and dw.T is the part from the top. Then "
            "lnf, then the blocks: for i in reversed(range(L)): dx, g['h'][i] = "
            "block_backward(dx, xs[i], p['h'][i], n_head), with g['h'] = [None] * L before.",
            "g['wte'] = dw.T + ops.embedding_backward(dx, (ids, p['wte'].shape)); g['wpe'] is "
            "zeros like p['wpe'], and its first T rows are dx.sum(axis=0).",
        ),
    ),
]
