"""The checks can fail: break the code on purpose, and the golden numbers or the differences say so.

Each break is one that real projects shipped. `golden` compares with PyTorch, `differences` with
finite differences of the forward pass, which notice only what backward does.
"""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from small_models import SMALL, batch, golden_errors, gradient_tree, order_one

from tinygpt import model as model_module
from tinygpt import transformer
from tinygpt.gradcheck import check_gradients
from tinygpt.model import GPT
from tinygpt.ops import attention, embedding, gelu, layernorm
from tinygpt.params import named_views


def golden_finds(monkeypatch):
    return max(golden_errors(np.float64).values()) > 1e-4


def differences_find(monkeypatch):
    model, (ids, targets) = order_one(), batch()
    flat, g = gradient_tree(model)
    model.loss_and_gradients(ids, targets, g)
    reports = check_gradients(
        lambda: model.loss(ids, targets),
        named_views(model.flat, SMALL),
        named_views(flat, SMALL),
        coordinates=2,
        directions=1,
    )
    return max(report.error for report in reports) > 1e-4


def drop_repeated_ids(patch):
    def scatter(target, ids, rows):
        target[ids] += rows

    patch.setattr(embedding, "scatter_add", scatter)


def drop_the_embeddings_share_of_the_tied_gradient(patch):
    patch.setattr(model_module, "embedding_backward", lambda *_, **__: None)


def drop_the_heads_share_of_the_tied_gradient(patch):
    whole = model_module.linear_backward

    def backward(dy, cache, *, out, accumulate):
        result = whole(dy, cache, out=out, accumulate=accumulate)
        out[1][...] = 0.0
        return result

    patch.setattr(model_module, "linear_backward", backward)


def drop_the_mask(patch):
    class Unmasked:
        triu = staticmethod(lambda scores, k: np.zeros_like(scores))

        def __getattr__(self, name):
            return getattr(np, name)

    patch.setattr(attention, "get_xp", lambda _: Unmasked())


def drop_the_scale_of_the_scores(patch):
    patch.setattr(attention, "math", SimpleNamespace(sqrt=lambda _: 1.0, inf=math.inf))


def drop_the_scale_of_the_scores_in_backward(patch):
    whole = transformer.causal_attention_backward

    def backward(dy, cache, *, out):
        result = whole(dy, cache, out=out)
        for gradient in result[:2]:
            gradient *= math.sqrt(dy.shape[-1])
        return result

    patch.setattr(transformer, "causal_attention_backward", backward)


def drop_a_residual_in_backward(patch):
    whole = model_module.block_backward
    patch.setattr(model_module, "block_backward", lambda dy, *a, **k: whole(dy, *a, **k) - dy)


def swap_keys_and_values_gradients(patch):
    whole = transformer.causal_attention_backward
    patch.setattr(
        transformer,
        "causal_attention_backward",
        lambda dy, cache, *, out: whole(dy, cache, out=(out[0], out[2], out[1])),
    )


def use_bessels_correction(patch):
    row_dot = layernorm.row_dot
    patch.setattr(
        layernorm, "row_dot", lambda a, b: row_dot(a, b) * (a.shape[-1] / (a.shape[-1] - 1))
    )


def use_another_gelu(patch):
    patch.setattr(gelu, "A", 0.0)


def forget_the_position(patch):
    whole = GPT.forward

    def forward(self, ids, **keywords):
        self.params["wpe"][...] = 0.0
        return whole(self, ids, **keywords)

    patch.setattr(GPT, "forward", forward)


BREAKS = [
    (drop_repeated_ids, True, True),
    (drop_the_embeddings_share_of_the_tied_gradient, True, True),
    (drop_the_heads_share_of_the_tied_gradient, True, True),
    (drop_the_mask, True, False),
    (drop_the_scale_of_the_scores, True, False),
    (drop_the_scale_of_the_scores_in_backward, True, True),
    (drop_a_residual_in_backward, True, True),
    (swap_keys_and_values_gradients, True, True),
    (use_bessels_correction, True, None),
    (use_another_gelu, True, False),
    (forget_the_position, True, None),
]


def test_nothing_is_found_while_nothing_is_broken(monkeypatch):
    assert not golden_finds(monkeypatch) and not differences_find(monkeypatch)


@pytest.mark.parametrize(
    ("broken", "golden", "differences"), BREAKS, ids=[b[0].__name__ for b in BREAKS]
)
def test_the_checks_find_what_is_broken(monkeypatch, broken, golden, differences):
    """None: the break moves forward and backward together, or apart, depending on the weights."""
    broken(monkeypatch)
    assert golden_finds(monkeypatch) == golden
    if differences is not None:
        assert differences_find(monkeypatch) == differences
