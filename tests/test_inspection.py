"""A look inside the model, against plain loops, finite differences and training's own backward."""

import math

import numpy as np
import oracles
import pytest
import strict_xp
from small_models import SMALL, gradient_tree, order_one

from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import Sample, draw_together
from tinygpt.errors import ConfigError, ShapeError, VocabularyError
from tinygpt.inspection import attention_maps, expectations, loss_pulls
from tinygpt.int8 import quantised
from tinygpt.ops import layernorm_forward, linear_forward
from tinygpt.transformer import block_forward

IDS = [3, 1, 4, 1, 5, 9, 2, 6]


@pytest.fixture(scope="module")
def model():
    return order_one()


def block_input(model, ids, layer):
    x = (model.params["wte"][ids] + model.params["wpe"][: len(ids)])[None]
    for block in model.params["h"][:layer]:
        x, _ = block_forward(x, block, model.config.n_head)
    return x


def plain_weights(model, ids, layer):
    """(H, T, T), a softmax over the visible scores at a time."""
    p, H = model.params["h"][layer], model.config.n_head
    x = block_input(model, ids, layer)
    qkv = linear_forward(layernorm_forward(x, **p["ln1"])[0], **p["attn"]["qkv"])[0][0]
    T, D = len(ids), model.config.n_embd // H
    q, k, _ = qkv.reshape(T, 3, H, D).transpose(1, 2, 0, 3)
    weights = np.zeros((H, T, T))
    for h in range(H):
        for i in range(T):
            scores = np.array([[q[h, i] @ k[h, j] / math.sqrt(D) for j in range(i + 1)]])
            weights[h, i, : i + 1] = oracles.softmax(scores)[0]
    return weights


@pytest.mark.parametrize("layer", range(SMALL.n_layer))
def test_the_maps_are_those_of_a_plain_softmax(model, layer):
    got = attention_maps(model, IDS, layer)
    np.testing.assert_allclose(got, plain_weights(model, IDS, layer), rtol=1e-10, atol=1e-14)


def test_the_maps_of_a_text_of_several_tiles():
    model = order_one(ModelConfig(11, 150, 2, 2, 8))
    ids = np.random.default_rng(3).integers(0, 11, 150).tolist()
    got = attention_maps(model, ids, 1)
    assert got.shape == (2, 150, 150)
    np.testing.assert_allclose(got, plain_weights(model, ids, 1), rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(got.sum(axis=-1), 1, rtol=1e-12)
    assert not np.triu(got, k=1).any()


def test_the_maps_are_there_with_recompute_and_in_float32():
    recompute = order_one(ModelConfig(11, 8, 2, 2, 8, recompute=True), dtype=np.float32)
    got = attention_maps(recompute, IDS, 1)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, attention_maps(order_one(), IDS, 1), rtol=1e-4, atol=1e-6)


def loss_at(model, ids, position):
    """-ln p(ids[position] | ids[:position]), with a plain softmax."""
    logits = model.forward(np.array([ids[:position]]))[0][0, -1:]
    return -math.log(oracles.softmax(logits)[0, ids[position]])


@pytest.mark.parametrize("position", [1, 4, len(IDS) - 1])
def test_a_pull_is_the_length_of_the_losss_gradient(position):
    """By finite differences: to move wpe[j] is to move the embedding at position j alone."""
    model = order_one()
    loss, pulls = loss_pulls(model, IDS, position)
    assert loss == pytest.approx(loss_at(model, IDS, position), rel=1e-12)
    slopes, step = np.zeros((len(IDS), SMALL.n_embd)), 1e-5
    for place in np.ndindex(slopes.shape):
        kept = model.params["wpe"][place]
        ends = []
        for move in (step, -step):
            model.params["wpe"][place] = kept + move
            ends.append(loss_at(model, IDS, position))
        model.params["wpe"][place] = kept
        slopes[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(pulls, np.linalg.norm(slopes, axis=1), rtol=1e-7, atol=1e-10)
    assert (pulls[:position] > 0.01).all()
    assert not pulls[position:].any()


def test_the_pulls_are_those_of_training(model):
    """Training's own backward of the same one loss leaves dL/dx_j in the gradient of wpe[j]."""
    position = 5
    logits, cache = model.forward(np.array([IDS[:position]]))
    dlogits = np.zeros_like(logits)
    dlogits[0, -1] = oracles.softmax(logits[0, -1:])[0]
    dlogits[0, -1, IDS[position]] -= 1
    _, g = gradient_tree(model)
    model.backward(dlogits, cache, g)
    expected = np.linalg.norm(g["wpe"], axis=1)
    np.testing.assert_allclose(loss_pulls(model, IDS, position)[1], expected, rtol=1e-10)


def test_a_look_on_a_device_is_that_on_the_host(model):
    """With a double of CuPy, which refuses what CuPy refuses."""
    device = order_one(xp=strict_xp)
    np.testing.assert_allclose(attention_maps(device, IDS, 1), attention_maps(model, IDS, 1))
    np.testing.assert_allclose(loss_pulls(device, IDS, 5)[1], loss_pulls(model, IDS, 5)[1])
    here, there = expectations(model, IDS, 2)[-1], expectations(device, IDS, 2)[-1]
    assert there.chosen == pytest.approx(here.chosen, rel=1e-12)


def test_looking_changes_nothing():
    model = order_one()
    before = model.flat.copy()
    model.flat.flags.writeable = False
    loss_pulls(model, IDS, 3)
    attention_maps(model, IDS, 1)
    expectations(model, IDS, 2)
    assert np.array_equal(model.flat, before)


def test_expectations_are_what_the_model_thinks_while_it_writes(model):
    """A text that the model wrote itself: the same numbers as were kept while drawing."""
    settings = SamplingConfig(max_new_tokens=6, logprobs=3, temperature=1.0)
    sample = Sample(model.config, IDS[:2], settings, np.random.default_rng(5))
    for _ in draw_together(model, [sample]):
        pass
    told = expectations(model, sample.known, 3)
    assert len(told) == len(sample.known) - 1
    for one, kept in zip(told[1:], sample.logprobs, strict=True):
        assert one.chosen == pytest.approx(kept.chosen, rel=1e-9)
        assert [i for i, _ in one.best] == [i for i, _ in kept.best]
    assert told[0].chosen == pytest.approx(-loss_at(model, sample.known, 1), rel=1e-12)
    assert expectations(model, IDS[:1], 3) == []


def test_the_attention_of_int8_weights_is_shown_and_their_pulls_are_refused():
    packed = quantised(order_one(dtype=np.float32))
    got = attention_maps(packed, IDS, 1)
    assert np.abs(got - attention_maps(order_one(), IDS, 1)).max() < 0.1
    with pytest.raises(ConfigError, match="packed for speed and have no backward pass; load the "):
        loss_pulls(packed, IDS, 3)


@pytest.mark.parametrize(
    ("look", "error", "says"),
    [
        (lambda m: attention_maps(m, IDS, 2), ConfigError, "layer is 2 and the model has 2; choo"),
        (lambda m: attention_maps(m, IDS, -1), ConfigError, "choose from 0 to 1"),
        (lambda m: attention_maps(m, [*IDS, 1], 0), ShapeError, "9 tokens and block_size is 8; s"),
        (lambda m: attention_maps(m, [], 0), ShapeError, "give whole numbers"),
        (lambda m: attention_maps(m, [11], 0), VocabularyError, "token id 11 is outside"),
        (lambda m: loss_pulls(m, IDS, 0), ConfigError, "choose from 1 to 7: the first token is no"),
        (lambda m: loss_pulls(m, IDS, 8), ConfigError, "position is 8 and the text has 8 tokens"),
        (lambda m: loss_pulls(m, [*IDS, 1], 3), ShapeError, "9 tokens and block_size is 8; short"),
        (lambda m: loss_pulls(m, [1, -1], 1), VocabularyError, "token id -1 is outside"),
        (lambda m: expectations(m, [*IDS, 1], 3), ShapeError, "9 tokens and block_size is 8; sho"),
    ],
)
def test_what_cannot_be_looked_at_is_said(model, look, error, says):
    with pytest.raises(error, match=says):
        look(model)
