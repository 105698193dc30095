"""The table of contents of a GPT: shapes, layouts, views and GPT-2's initialisation."""

import math

import numpy as np
import pytest
from small_models import SMALL

from tinygpt.config import ModelConfig
from tinygpt.params import (
    decayed_count,
    init_params,
    named_views,
    param_shapes,
    parameter_count,
    views,
)

GPT2 = ModelConfig(vocab_size=50257, block_size=1024, n_layer=12, n_head=12, n_embd=768)


def leaves(tree, path=""):
    if isinstance(tree, dict | list):
        items = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, node in items:
            yield from leaves(node, f"{path}.{key}" if path else str(key))
    else:
        yield path, tree


def test_gpt2_small_has_the_published_number_of_parameters():
    assert parameter_count(GPT2) == 124_439_808


def test_matrices_come_first_and_are_what_decays():
    dimensions = [len(spec.shape) for spec in param_shapes(SMALL).values()]
    assert dimensions == sorted(dimensions, reverse=True)
    matrices = [math.prod(s.shape) for s in param_shapes(SMALL).values() if len(s.shape) == 2]
    assert decayed_count(SMALL) == sum(matrices)


def test_views_cover_the_flat_array_exactly_once():
    flat = np.zeros(parameter_count(SMALL))
    for _, view in leaves(views(flat, SMALL)):
        view += 1.0
    np.testing.assert_array_equal(flat, 1.0)


def test_stored_views_are_contiguous_and_the_tree_shows_matrices_as_inputs_by_outputs():
    flat = np.arange(parameter_count(SMALL), dtype=np.float64)
    named, tree = named_views(flat, SMALL), dict(leaves(views(flat, SMALL)))
    assert named.keys() == tree.keys() == param_shapes(SMALL).keys()
    C = SMALL.n_embd
    logical = {"qkv.w": (C, 3 * C), "attn.proj.w": (C, C), "fc.w": (C, 4 * C)}
    logical |= {"mlp.proj.w": (4 * C, C), "wte": (SMALL.vocab_size, C)}
    logical |= {"wpe": (SMALL.block_size, C)}
    for path, array in named.items():
        spec = param_shapes(SMALL)[path]
        assert array.flags.c_contiguous and array.shape == spec.shape
        assert np.shares_memory(array, tree[path])
        np.testing.assert_array_equal(array.T if spec.layout == "oi" else array, tree[path])
        for ending, shape in logical.items():
            if path.endswith(ending):
                assert tree[path].shape == shape


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_initialisation_is_gpt2s(dtype):
    config = ModelConfig(vocab_size=97, block_size=32, n_layer=3, n_head=2, n_embd=48)
    flat = init_params(config, np.random.default_rng(0), dtype)
    assert flat.dtype == dtype
    for path, array in named_views(flat, config).items():
        if array.ndim == 2:
            deviation = 0.02 / (math.sqrt(6) if path.endswith("proj.w") else 1)
            assert array.std() == pytest.approx(deviation, rel=0.08), path
            assert abs(array.mean()) < 0.1 * deviation, path
        else:
            is_gain = path.endswith(".w")
            np.testing.assert_array_equal(array, 1.0 if is_gain else 0.0)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    one, two, other = (init_params(SMALL, np.random.default_rng(s)) for s in (4, 4, 5))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_both_dtypes_draw_the_same_weights():
    single, double = (
        init_params(SMALL, np.random.default_rng(4), t) for t in (np.float32, np.float64)
    )
    np.testing.assert_allclose(single, double, rtol=1e-6)
