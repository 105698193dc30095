"""int8 weights: the products of the numbers they stand for, close to the model they came from."""

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_models import batch, gradient_tree, order_one

from tinygpt import int8
from tinygpt.backend import FEW_ROWS
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import Sample, draw_together
from tinygpt.errors import ConfigError
from tinygpt.int8 import (
    LEVELS,
    Int8Matrix,
    int8_paths,
    int8_specs,
    outputs_first,
    quantise,
    quantised,
    with_workers,
)
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.params import named_views, param_shapes, parameter_count
from tinygpt.threads import WorkerPool

CONFIG = ModelConfig(vocab_size=131, block_size=16, n_layer=2, n_head=2, n_embd=64)


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(int8, "LARGE", 0)


def dequantised(model):
    """The float32 model whose weights are what the int8 model's stand for."""
    flat = np.empty(parameter_count(model.config), np.float32)
    for path, view in named_views(flat, model.config).items():
        w = model.weights[path]
        if path in int8_paths(model.config):
            w = outputs_first(path, w.q * w.scale[:, None])
        view[...] = w
    return GPT(model.config, flat)


@given(
    seed=st.integers(0, 999),
    N=st.integers(1, FEW_ROWS + 2),
    I=st.sampled_from([1, 3, 40, 1024]),
    O=st.integers(1, 200),
    block=st.sampled_from([1, 999, 1 << 30]),
    workers=st.integers(1, 3),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_a_product_is_that_of_the_dequantised_matrix(seed, N, I, O, block, workers, dtype):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, I)).astype(dtype)
    q = rng.integers(-LEVELS, LEVELS + 1, (O, I)).astype(np.int8)
    scale = rng.random(O).astype(np.float32) / LEVELS
    expected = x.astype(np.float64) @ (q * scale[:, None].astype(np.float64)).T
    close = {"rtol": 0, "atol": (1e-12 if dtype is np.float64 else 1e-6) * I}
    with pytest.MonkeyPatch.context() as patch, WorkerPool(workers) as pool:
        patch.setattr(int8, "EXPANDED", block)
        patch.setattr(int8, "LARGE", 0)
        matrix = Int8Matrix(q, scale)
        assert matrix.shape == (I, O)
        for product in (x @ matrix, x @ matrix.among(pool)):
            assert product.dtype == dtype
            np.testing.assert_allclose(product, expected, **close)


@given(seed=st.integers(0, 999), size=st.sampled_from([1e-30, 0.02, 1.0, 1e30]))
def test_no_weight_moves_by_more_than_half_a_step(seed, size):
    rng = np.random.default_rng(seed)
    w = (size * rng.standard_normal((7, 50))).astype(np.float32)
    w[3] = 0.0
    matrix = quantise(w)
    step = np.abs(w).max(axis=1) / LEVELS
    np.testing.assert_array_equal(matrix.scale, step)
    np.testing.assert_array_equal(np.abs(matrix.q).max(axis=1), [127, 127, 127, 0, 127, 127, 127])
    errors = np.abs(matrix.expanded() - w)
    assert (errors <= 0.5001 * step[:, None]).all()
    np.testing.assert_array_equal(matrix.expanded()[3], 0.0)
    np.testing.assert_array_equal(matrix.column(np.array([[2, 0]])), matrix.expanded()[[[2, 0]]])


def test_weights_near_the_smallest_float_do_not_wrap_around():
    w = np.array([[2e-43, -2e-43], [1e-45, 0.0]], np.float32)
    matrix = quantise(w)
    assert matrix.q[0].tolist() == [127, -127]
    assert matrix.q[1].tolist() == [0, 0]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e300])
def test_a_weight_that_is_no_finite_float32_is_refused(bad):
    w = np.zeros((3, 4))
    w[1, 2] = bad
    with pytest.raises(ConfigError, match="a weight is infinite or no number"):
        quantise(w)


def test_quantising_what_was_dequantised_changes_no_number():
    rng = np.random.default_rng(0)
    first = quantise(rng.standard_normal((60, 50)).astype(np.float32))
    again = quantise(first.expanded())
    np.testing.assert_array_equal(again.q, first.q)
    np.testing.assert_allclose(again.scale, first.scale, rtol=2e-7)


def test_every_matrix_but_the_positions_is_quantised_with_its_outputs_first():
    specs, stored = int8_specs(CONFIG), param_shapes(CONFIG)
    matrices = [path for path, spec in stored.items() if len(spec.shape) == 2]
    assert set(matrices) - set(int8_paths(CONFIG)) == {"wpe"}
    assert specs["wpe"] == stored["wpe"]
    model = order_one(CONFIG)
    for path in int8_paths(CONFIG):
        if path != "wte":
            node = model.params["h"][int(path.split(".")[1])]
            w = node[path.split(".")[2]][path.split(".")[3]]["w"]  # (I, O)
            view = outputs_first(path, named_views(model.flat, CONFIG)[path])
            assert view.shape == specs[path].shape
            np.testing.assert_array_equal(view, w.T)


@pytest.mark.parametrize("workers", [None, 2])
def test_a_model_computes_what_its_dequantised_weights_do(workers, everything_is_large):
    small = quantised(order_one(CONFIG, dtype=np.float32))
    plain = dequantised(small)
    ids = np.random.default_rng(0).integers(0, CONFIG.vocab_size, (3, 7))
    expected, _ = plain.forward(ids)
    close = {"rtol": 0, "atol": 1e-4 * np.abs(expected).max()}
    if workers is None:
        np.testing.assert_allclose(small.forward(ids)[0], expected, **close)
        assert small.loss(ids, ids) == pytest.approx(plain.loss(ids, ids), rel=1e-5)
        return
    with with_workers(small, workers=workers) as shared:
        logits, _ = shared.forward(ids, kv=KVCache(CONFIG, 3))
        np.testing.assert_allclose(logits, expected, **close)


def test_logits_are_close_to_those_of_the_model_it_came_from():
    """Two blocks of order one: each product adds an error of about 1 % of its outputs' spread."""
    model = order_one(CONFIG, dtype=np.float32)
    ids = np.random.default_rng(0).integers(0, CONFIG.vocab_size, (4, 16))
    expected, logits = model.forward(ids)[0], quantised(model).forward(ids)[0]
    error = np.sqrt(np.mean((logits - expected) ** 2)) / expected.std()
    assert 1e-4 < error < 0.05


def test_a_float64_model_becomes_a_float32_one():
    model = quantised(order_one(CONFIG))
    assert model.dtype == np.float32 and model.xp is np
    assert model.forward(np.array([[1, 2]]))[0].dtype == np.float32


def test_texts_drawn_side_by_side_are_those_drawn_alone(everything_is_large):
    """The texts that the dequantised model draws too: no draw here is near a border."""
    sampling = SamplingConfig(max_new_tokens=30, temperature=0.8)

    def texts(model):
        samples = [
            Sample(CONFIG, [i + 1, 5], sampling, np.random.default_rng([3, i])) for i in range(3)
        ]
        list(draw_together(model, samples))
        return [sample.ids for sample in samples]

    model = quantised(GPT(CONFIG, seed=1))
    with with_workers(model, workers=2) as shared:
        assert texts(shared) == texts(dequantised(model))


def test_the_weights_take_a_quarter_of_the_memory():
    config = ModelConfig(vocab_size=1000, block_size=8, n_layer=2, n_head=2, n_embd=128)
    small = quantised(GPT(config))
    size = sum(
        w.q.nbytes + w.scale.nbytes if isinstance(w, Int8Matrix) else w.nbytes
        for w in small.weights.values()
    )
    assert size < 0.28 * 4 * parameter_count(config)
    assert not any(
        w.base is not None for w in small.weights.values() if not isinstance(w, Int8Matrix)
    )  # else a view would keep the float32 weights alive


def test_training_or_saving_an_int8_model_is_refused():
    model, (ids, targets) = order_one(CONFIG, dtype=np.float32), batch()
    _, g = gradient_tree(model)
    small = quantised(model)
    refused = pytest.raises(ConfigError, match="not trained or saved; load the checkpoint with")
    with refused:
        small.loss_and_gradients(ids, targets, g)
    with refused:
        small.flat.copy()  # what training and saving begin with
    with pytest.raises(AttributeError, match="'Int8GPT' object has no attribute 'weight'"):
        small.weight  # noqa: B018
    assert copy.copy(small).weights is small.weights
