"""Attention, MLP and block: gradients of every parameter and input, alone."""

import numpy as np
import pytest
from small_models import SMALL, order_one

from tinygpt import transformer
from tinygpt.gradcheck import check_gradients
from tinygpt.kv_cache import KVCache
from tinygpt.params import named_views, views

SHAPE = (3, 5, SMALL.n_embd)


def masks(seed=9):
    draws = np.random.default_rng(seed).random((2, *SHAPE))
    return tuple((draws < 0.7) / 0.7)


PARTS = {
    "attention": ("attn", lambda x, p: transformer.attention_forward(x, p, SMALL.n_head)),
    "mlp": ("mlp", transformer.mlp_forward),
    "block": ("", lambda x, p: transformer.block_forward(x, p, SMALL.n_head)),
    "block with dropout": (
        "",
        lambda x, p: transformer.block_forward(x, p, SMALL.n_head, masks=masks()),
    ),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("accumulate", [False, True])
def test_gradients_equal_finite_differences(part, accumulate):
    name, forward = PARTS[part]
    backward = getattr(transformer, f"{part.split()[0]}_backward")
    model, rng = order_one(), np.random.default_rng(2)
    x, dout = rng.standard_normal((2, *SHAPE))
    start = 2.0 if accumulate else np.nan
    flat = np.full_like(model.flat, start)
    p, g = model.params["h"][0], views(flat, SMALL)["h"][0]
    p, g = (p[name], g[name]) if name else (p, g)

    _, cache = forward(x, p)
    dx = backward(dout, cache, g, accumulate=accumulate)
    prefix = f"h.0.{name}".rstrip(".") + "."
    parameters = {k: a for k, a in named_views(model.flat, SMALL).items() if k.startswith(prefix)}
    gradients = {k: a for k, a in named_views(flat, SMALL).items() if k.startswith(prefix)}
    if accumulate:
        gradients = {k: a - start for k, a in gradients.items()}

    reports = check_gradients(
        lambda: float((forward(x, p)[0] * dout).sum()),
        {"x": x, **parameters},
        {"x": dx, **gradients},
    )
    for report in reports:
        assert report.error < 1e-7, report
    untouched = [a for k, a in named_views(flat, SMALL).items() if not k.startswith(prefix)]
    assert all(np.array_equal(a, np.full_like(a, start), equal_nan=True) for a in untouched)


def test_block_writes_to_neither_its_input_nor_its_parameters():
    model = order_one()
    model.flat.flags.writeable = False
    x = np.random.default_rng(2).standard_normal(SHAPE)
    p = views(model.flat, SMALL)["h"][0]
    x.flags.writeable = False
    y, cache = transformer.block_forward(x, p, SMALL.n_head)
    y.flags.writeable = False
    transformer.block_backward(
        y, cache, views(np.empty_like(model.flat), SMALL)["h"][0], accumulate=False
    )


@pytest.mark.parametrize("split", range(1, 5))
def test_attention_with_cached_keys_equals_attention_over_the_whole(split):
    p = order_one().params["h"][0]["attn"]
    x = np.random.default_rng(2).standard_normal(SHAPE)
    whole, _ = transformer.attention_forward(x, p, SMALL.n_head)
    kv = KVCache(SMALL, SHAPE[0], dtype=np.float64)
    first, _ = transformer.attention_forward(x[:, :split], p, SMALL.n_head, kv.layers(split)[0])
    kv.lengths += split
    layer = kv.layers(x.shape[1] - split)[0]
    rest, _ = transformer.attention_forward(x[:, split:], p, SMALL.n_head, layer)
    np.testing.assert_allclose(np.concatenate([first, rest], axis=1), whole, rtol=1e-11, atol=1e-13)
