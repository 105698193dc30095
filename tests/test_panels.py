"""Weights in panels: the same products, the same texts, in the same memory."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tinygpt import backend, panels
from tinygpt.backend import BLOCK, FEW_ROWS, SOME_ROWS, thin_product
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import Sample, draw_together
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT
from tinygpt.panels import Panels, in_panels
from tinygpt.threads import WorkerPool

CONFIG = ModelConfig(vocab_size=131, block_size=16, n_layer=2, n_head=2, n_embd=64)


@pytest.fixture
def everything_is_large(monkeypatch):
    monkeypatch.setattr(panels, "LARGE", 0)
    monkeypatch.setattr(panels, "blas_spares_small_products", lambda: True)


def matrix(rng, I, O, transposed):
    return rng.standard_normal((O, I)).T if transposed else rng.standard_normal((I, O))


@given(
    seed=st.integers(0, 999),
    N=st.integers(1, 9),
    I=st.sampled_from([1, 3, 40, 1024, 1025]),
    O=st.integers(1, 200),
    transposed=st.booleans(),
    workers=st.integers(1, 3),
)
def test_a_product_with_panels_is_the_product(seed, N, I, O, transposed, workers):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((N, I)), matrix(rng, I, O, transposed)
    expected, columns = x @ w, w.T.copy()
    ids = rng.integers(0, O, (2, 3))
    with WorkerPool(workers) as pool:
        packed = Panels(w, pool)
        np.testing.assert_allclose(x @ packed, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(packed.column(ids), columns[ids])


@given(seed=st.integers(0, 999), N=st.integers(1, FEW_ROWS + 1), transposed=st.booleans())
def test_a_few_rows_in_turns_are_the_product(seed, N, transposed):
    rng = np.random.default_rng(seed)
    I = int(rng.integers(300, 2000))
    x, w = rng.standard_normal((N, I)), matrix(rng, I, 2 * BLOCK // I + 5, transposed)
    np.testing.assert_allclose(thin_product(x, w), x @ w, rtol=1e-10, atol=1e-10)


@pytest.fixture
def kernels_for_avx512(monkeypatch):
    monkeypatch.setattr(backend, "blas_spares_small_products", lambda: True)


@given(
    seed=st.integers(0, 999),
    N=st.integers(FEW_ROWS + 1, SOME_ROWS + 1),
    I=st.integers(1, 300),
    O=st.integers(1, 300),
    transposed=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_some_rows_with_panels_are_the_product(kernels_for_avx512, seed, N, I, O, transposed):
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((N, I)), matrix(rng, I, O, transposed)
    np.testing.assert_allclose(thin_product(x, w), x @ w, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("N", "I", "transposed", "columns"),
    [(6, 224, False, 128), (32, 224, False, 128), (32, 896, False, 32), (33, 224, False, 300),
     (8, 224, True, 128), (16, 224, True, 64), (32, 224, True, 32), (32, 4000, True, 300)],
)  # fmt: skip
def test_the_panels_are_as_wide_as_a_small_product_may_be(
    kernels_for_avx512, N, I, transposed, columns
):
    w = np.ones((300, I)).T if transposed else np.ones((I, 300))
    assert backend._columns(N, w) == columns


def test_a_few_rows_do_take_turns(monkeypatch):
    """Else the test above would compare BLAS with itself."""
    x, w = np.ones((FEW_ROWS, 1024), np.float32), np.ones((1024, 1024), np.float32)
    monkeypatch.setattr(np, "empty", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        thin_product(x, w)
    thin_product(x[:1], w)  # one row never


def test_a_packed_model_is_the_model_in_the_same_memory(everything_is_large):
    model = GPT(CONFIG, seed=1, dtype=np.float64)
    ids = np.random.default_rng(0).integers(0, CONFIG.vocab_size, (3, 7))
    expected, _ = model.forward(ids, keep=False)
    one = model.forward(ids[:1, :1], kv=KVCache(CONFIG, dtype=np.float64), last=1)[0]
    with in_panels(model, workers=2) as packed:
        logits, _ = packed.forward(ids, keep=False)
        np.testing.assert_allclose(logits, expected, rtol=1e-11, atol=1e-12)
        kv = KVCache(CONFIG, dtype=np.float64)
        logits = packed.forward(ids[:1, :1], kv=kv, last=1)[0]
        np.testing.assert_allclose(logits, one, rtol=1e-11, atol=1e-12)
    with in_panels(model, workers=3) as again:  # once is enough
        np.testing.assert_allclose(again.forward(ids, keep=False)[0], expected, rtol=1e-11)
    np.testing.assert_allclose(model.forward(ids, keep=False)[0], expected, rtol=1e-11)
    for block in packed.params["h"]:
        for linear in (*block["attn"].values(), *block["mlp"].values()):
            assert isinstance(linear["w"], Panels)
            assert np.shares_memory(linear["w"]._panels, model.flat)
            assert linear["w"]._rest.size == 0 or np.shares_memory(linear["w"]._rest, model.flat)


def test_texts_from_panels_are_the_same(everything_is_large):
    sampling = SamplingConfig(max_new_tokens=30, temperature=0.8)

    def texts(model):
        samples = [
            Sample(CONFIG, [i + 1, 5], sampling, np.random.default_rng([3, i])) for i in range(3)
        ]
        list(draw_together(model, samples))
        return [sample.ids for sample in samples]

    model = GPT(CONFIG, seed=1, dtype=np.float64)
    expected = texts(model)
    with in_panels(model, workers=2) as packed:
        assert texts(packed) == expected


@pytest.mark.parametrize("reason", ["blas", "small"])
def test_a_model_is_left_alone_where_panels_do_not_pay(reason, monkeypatch):
    monkeypatch.setattr(panels, "blas_spares_small_products", lambda: reason != "blas")
    monkeypatch.setattr(panels, "LARGE", 0 if reason == "blas" else 1 << 19)
    model = GPT(CONFIG, seed=1)
    before = model.flat.copy()
    monkeypatch.setattr(panels, "WorkerPool", lambda n: 1 / 0)  # nor does BLAS lose its threads
    with in_panels(model) as same:
        assert same is model
    np.testing.assert_array_equal(model.flat, before)
