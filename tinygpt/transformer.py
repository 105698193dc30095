"""The parts of a GPT that have parameters: attention, MLP, block.

Each takes its parameters as a dict `p` and, in backward, writes or adds their gradients into a
dict `g` of the same structure.
"""

from typing import Any

from tinygpt.backend import Array, get_xp
from tinygpt.kv_cache import LayerCache
from tinygpt.ops import (
    causal_attention_backward,
    causal_attention_forward,
    dropout_backward,
    dropout_forward,
    gelu_backward,
    gelu_forward,
    layernorm_backward,
    layernorm_forward,
    linear_backward,
    linear_forward,
)
from tinygpt.params import Tree

Cache = tuple[Any, ...]


def linear_grads(dy: Array, cache: Cache, g: Tree, accumulate: bool) -> Array:
    """Return dx; the gradients of w and b go into g."""
    return linear_backward(dy, cache, out=(None, g["w"], g["b"]), accumulate=accumulate)[0]


def layernorm_grads(dy: Array, cache: Cache, g: Tree, accumulate: bool) -> Array:
    """Return dx; the gradients of w and b go into g."""
    return layernorm_backward(dy, cache, out=(None, g["w"], g["b"]), accumulate=accumulate)[0]


def heads(x: Array, n_head: int) -> Array:
    """A view of x with the channels cut into heads.   x (B, T, C) -> (B, H, T, D)"""
    B, T, C = x.shape
    return x.reshape(B, T, n_head, C // n_head).transpose(0, 2, 1, 3)


def attention_forward(
    x: Array, p: Tree, n_head: int, kv: LayerCache | None = None
) -> tuple[Array, Cache]:
    """y = proj(concat over heads of attention(q, k, v)), qkv = linear(x).   x, y (B, T, C)

    With `kv` the keys and values are those of the past and, appended to them, those of x.
    """
    C = x.shape[-1]
    qkv, qkv_cache = linear_forward(x, **p["qkv"])  # (B, T, 3C)
    q, k, v = (heads(qkv[..., i * C : (i + 1) * C], n_head) for i in range(3))
    mask = None
    if kv is not None:
        (k, v), mask = kv.append(k, v), kv.mask
    y = get_xp(x).empty_like(x)
    _, att_cache = causal_attention_forward(q, k, v, mask=mask, out=heads(y, n_head))
    y, proj_cache = linear_forward(y, **p["proj"])
    if kv is not None:
        return y, ()  # no way back past the keys of others, so nothing need outlive this line
    return y, (qkv_cache, att_cache, proj_cache, n_head)


def attention_backward(dy: Array, cache: Cache, g: Tree, *, accumulate: bool = False) -> Array:
    """Return dx."""
    qkv_cache, att_cache, proj_cache, n_head = cache
    B, T, C = dy.shape
    dy = linear_grads(dy, proj_cache, g["proj"], accumulate)
    # q, k and v are thirds of one array: their gradients go straight into the thirds of dqkv
    dqkv = get_xp(dy).empty((B, T, 3 * C), dy.dtype)
    thirds = tuple(heads(dqkv[..., i * C : (i + 1) * C], n_head) for i in range(3))
    causal_attention_backward(heads(dy, n_head), att_cache, out=thirds)
    return linear_grads(dqkv, qkv_cache, g["qkv"], accumulate)


def mlp_forward(x: Array, p: Tree) -> tuple[Array, Cache]:
    """y = proj(gelu(fc(x))).   x, y (B, T, C), between them (B, T, 4C)"""
    hidden, fc_cache = linear_forward(x, **p["fc"])
    hidden, gelu_cache = gelu_forward(hidden)
    y, proj_cache = linear_forward(hidden, **p["proj"])
    return y, (fc_cache, gelu_cache, proj_cache)


def mlp_backward(dy: Array, cache: Cache, g: Tree, *, accumulate: bool = False) -> Array:
    """Return dx."""
    fc_cache, gelu_cache, proj_cache = cache
    dhidden = linear_grads(dy, proj_cache, g["proj"], accumulate)
    dhidden = gelu_backward(dhidden, gelu_cache)
    return linear_grads(dhidden, fc_cache, g["fc"], accumulate)


def block_forward(
    x: Array,
    p: Tree,
    n_head: int,
    kv: LayerCache | None = None,
    masks: tuple[Array, Array] | None = None,
) -> tuple[Array, Cache]:
    """x = x + attention(ln1(x)); y = x + mlp(ln2(x)).   x, y (B, T, C)

    `masks`: dropout masks of the two branches, (B, T, C) each.
    """
    h, ln1_cache = layernorm_forward(x, **p["ln1"])
    h, att_cache = attention_forward(h, p["attn"], n_head, kv)
    if masks is not None:
        h, _ = dropout_forward(h, masks[0])
    h += x  # ours: attention or dropout allocated h
    x = h
    h, ln2_cache = layernorm_forward(x, **p["ln2"])
    h, mlp_cache = mlp_forward(h, p["mlp"])
    if masks is not None:
        h, _ = dropout_forward(h, masks[1])
    h += x
    return h, (ln1_cache, att_cache, ln2_cache, mlp_cache, masks)


def block_backward(dy: Array, cache: Cache, g: Tree, *, accumulate: bool = False) -> Array:
    """Return dx."""
    ln1_cache, att_cache, ln2_cache, mlp_cache, masks = cache
    # y = x + mlp(ln2(x)): the gradient flows through the branch and past it
    dh = dy if masks is None else dropout_backward(dy, (masks[1],))
    dh = mlp_backward(dh, mlp_cache, g["mlp"], accumulate=accumulate)
    dx = layernorm_grads(dh, ln2_cache, g["ln2"], accumulate)
    dx += dy
    # x = x + attention(ln1(x))
    dh = dx if masks is None else dropout_backward(dx, (masks[0],))
    dh = attention_backward(dh, att_cache, g["attn"], accumulate=accumulate)
    dh = layernorm_grads(dh, ln1_cache, g["ln1"], accumulate)
    dh += dx
    return dh
