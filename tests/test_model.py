"""The whole GPT: PyTorch's numbers, gradients with every option, and what a GPT must be."""

import math
import tracemalloc
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import strict_xp
from small_models import (
    SMALL,
    as_tree_orientation,
    batch,
    golden,
    golden_errors,
    golden_model,
    gradient_tree,
    order_one,
    relative_error,
)

from tinygpt.backend import to_host
from tinygpt.config import ModelConfig, SamplingConfig
from tinygpt.decoding import stream_ids
from tinygpt.errors import ShapeError, VocabularyError
from tinygpt.gradcheck import check_gradients
from tinygpt.kv_cache import KVCache
from tinygpt.model import GPT, dropout_masks
from tinygpt.params import named_views

DROPOUT, RECOMPUTE = replace(SMALL, dropout=0.3), replace(SMALL, recompute=True)
OPTIONS = {
    "plain": SMALL,
    "dropout": DROPOUT,
    "recompute": RECOMPUTE,
    "dropout and recompute": replace(DROPOUT, recompute=True),
    "one layer, one head": replace(SMALL, n_layer=1, n_head=1),
}


def masks_of(model, rows, T=SMALL.block_size, step=4):
    return dropout_masks(model.config, rows, T, seed=3, step=step, like=model.flat)


def gradients(model, ids, targets, micro_batches=1):
    """Loss and flat gradient, the batch worked through in parts."""
    flat, g = gradient_tree(model)
    loss, edges = 0.0, np.linspace(0, len(ids), micro_batches + 1).astype(int)
    for i, (a, b) in enumerate(pairwise(edges)):
        masks = masks_of(model, range(a, b), ids.shape[1])
        loss += model.loss_and_gradients(
            ids[a:b], targets[a:b], g, count=ids.size, masks=masks, accumulate=i > 0
        )
    return loss, flat


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-4), (np.float64, 1e-9)])
def test_logits_loss_and_every_gradient_equal_pytorchs(dtype, bound):
    for name, error in golden_errors(dtype).items():
        assert error <= bound, name


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-6), (np.float64, 1e-14)])
def test_the_key_bias_has_a_gradient_of_zero(dtype, bound):
    """Softmax ignores a shift common to all keys; what is left is rounding."""
    model, expected = golden_model(dtype), golden("gpt")
    _, g = gradient_tree(model)
    model.loss_and_gradients(expected["ids"], expected["targets"], g)
    for block in g["h"]:
        queries, keys, _ = np.split(block["attn"]["qkv"]["b"], 3)
        assert np.abs(keys).max() <= bound * np.abs(queries).max()


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_every_gradient_equals_finite_differences(option, micro_batches):
    model, (ids, targets) = order_one(OPTIONS[option]), batch(OPTIONS[option])

    def loss():
        logits, _ = model.forward(ids, masks=masks_of(model, range(len(ids))))
        z = logits - logits.max(-1, keepdims=True)
        log_probs = z - np.log(np.exp(z).sum(-1, keepdims=True))
        return -float(np.take_along_axis(log_probs, targets[..., None], -1).mean())

    measured, flat = gradients(model, ids, targets, micro_batches)
    assert measured == pytest.approx(loss(), rel=1e-12)
    reports = check_gradients(
        loss,
        named_views(model.flat, model.config),
        named_views(flat, model.config),
        coordinates=2,
    )
    for report in reports:
        assert report.error < 1e-7 and not report.zero, report


def test_a_text_shorter_than_the_context_leaves_later_positions_without_gradient():
    model, (ids, targets) = order_one(), batch()
    _, flat = gradients(model, ids[:, :5], targets[:, :5])
    wpe = named_views(flat, SMALL)["wpe"]
    assert not wpe[5:].any() and wpe[:5].all()


@pytest.mark.parametrize("option", OPTIONS)
def test_micro_batches_add_up_to_the_batch(option):
    model, (ids, targets) = order_one(OPTIONS[option]), batch(OPTIONS[option])
    loss, whole = gradients(model, ids, targets)
    loss_in_parts, in_parts = gradients(model, ids, targets, micro_batches=3)
    assert loss_in_parts == pytest.approx(loss, rel=1e-13)
    assert relative_error(in_parts, whole) < 1e-12


@pytest.mark.parametrize("config", [SMALL, DROPOUT], ids=["plain", "dropout"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_recomputing_gives_the_same_bits_from_less_memory(config, dtype):
    ids, targets = batch()
    kept, again = (order_one(replace(config, recompute=r), dtype=dtype) for r in (False, True))
    for ours, reference in zip(
        gradients(again, ids, targets), gradients(kept, ids, targets), strict=True
    ):
        np.testing.assert_array_equal(ours, reference)
    assert cached_bytes(again.forward(ids)[1][2]) < 0.2 * cached_bytes(kept.forward(ids)[1][2])


def cached_bytes(node):
    if isinstance(node, tuple | list):
        return sum(map(cached_bytes, node))
    return node.nbytes if isinstance(node, np.ndarray) else 0


def test_dropout_masks_belong_to_rows_and_steps_and_keep_the_mean():
    config = replace(SMALL, dropout=0.25, n_embd=64)
    model = GPT(config)
    whole, part = masks_of(model, range(6)), masks_of(model, range(2, 5))
    np.testing.assert_array_equal(whole.embedding[2:5], part.embedding)
    np.testing.assert_array_equal(whole.blocks[1][0][2:5], part.blocks[1][0])
    other = masks_of(model, range(6), step=5)
    assert not np.array_equal(whole.embedding, other.embedding)
    assert not np.array_equal(whole.embedding[0], whole.embedding[1])
    assert not np.array_equal(whole.blocks[0][0], whole.blocks[0][1])
    assert set(np.unique(whole.embedding)) == {0.0, np.float32(1 / 0.75)}
    assert whole.embedding.mean() == pytest.approx(1.0, abs=0.06)
    assert whole.embedding.dtype == np.float32
    # the batch of step 4 is drawn from (seed, step): no row of masks shares its numbers
    same = np.random.default_rng([3, 4]).random(whole.embedding[0].shape, dtype=np.float32) < 0.75
    assert not any(np.array_equal(row > 0, same) for row in whole.embedding)
    assert dropout_masks(SMALL, range(2), 4, seed=0, step=0, like=model.flat) is None


def test_no_position_sees_the_future():
    model, (ids, _) = order_one(), batch()
    logits, _ = model.forward(ids)
    for t in range(1, SMALL.block_size):
        changed = ids.copy()
        changed[:, t] = (changed[:, t] + 1) % SMALL.vocab_size
        moved, _ = model.forward(changed)
        np.testing.assert_array_equal(moved[:, :t], logits[:, :t])
        assert np.abs(moved[:, t:] - logits[:, t:]).max(axis=(0, 2)).all()


def test_rows_of_a_batch_are_independent():
    model, (ids, _) = order_one(), batch()
    logits, _ = model.forward(ids)
    for row in range(len(ids)):
        alone, _ = model.forward(ids[row : row + 1])
        assert relative_error(alone[0], logits[row]) < 1e-13
    np.testing.assert_allclose(model.forward(ids[::-1])[0][::-1], logits, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("split", range(1, SMALL.block_size))
def test_cached_equals_plain_at_every_split(split):
    model, (ids, _) = order_one(), batch()
    plain, _ = model.forward(ids)
    kv = KVCache(SMALL, len(ids), dtype=np.float64)
    first, _ = model.forward(ids[:, :split], kv=kv)
    rest, _ = model.forward(ids[:, split:], kv=kv)
    assert (kv.lengths == SMALL.block_size).all()
    assert relative_error(np.concatenate([first, rest], axis=1), plain) < 1e-13


def test_one_token_at_a_time_equals_plain_also_after_a_reset():
    model, (ids, _) = order_one(), batch()
    plain, _ = model.forward(ids)
    kv = KVCache(SMALL, len(ids), dtype=np.float64)
    for _ in range(2):
        steps = [model.forward(ids[:, t : t + 1], kv=kv)[0] for t in range(ids.shape[1])]
        assert relative_error(np.concatenate(steps, axis=1), plain) < 1e-13
        kv.lengths[:] = 0


def test_the_last_logits_alone_equal_the_last_of_all():
    model, (ids, _) = order_one(), batch()
    last, _ = model.forward(ids, last=1)
    assert last.shape == (3, 1, SMALL.vocab_size)
    assert relative_error(last[:, 0], model.forward(ids)[0][:, -1]) < 1e-13


@pytest.mark.parametrize("seed", range(3))
def test_a_new_model_knows_nothing_and_its_loss_is_about_ln_v(seed):
    config = ModelConfig(vocab_size=50, block_size=16, n_layer=3, n_head=4, n_embd=32)
    ids, targets = batch(config, rows=8)
    assert GPT(config, seed=seed).loss(ids, targets) == pytest.approx(math.log(50), abs=0.05)


def test_loss_alone_equals_the_loss_with_gradients_and_leaves_dropout_off():
    model, (ids, targets) = order_one(DROPOUT), batch()
    _, g = gradient_tree(model)
    assert model.loss(ids, targets) == model.loss_and_gradients(ids, targets, g)


def test_the_loss_alone_keeps_no_activations():
    model, (ids, _) = order_one(), batch()
    kept, dropped = (model.forward(ids, keep=keep) for keep in (True, False))
    np.testing.assert_array_equal(dropped[0], kept[0])
    assert len(kept[1][2]) == SMALL.n_layer and not dropped[1][2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_weights_is_the_dtype_of_everything(dtype):
    model, (ids, targets) = order_one(dtype=dtype), batch()
    logits, cache = model.forward(ids, masks=masks_of(order_one(DROPOUT, dtype=dtype), range(3)))
    assert logits.dtype == model.dtype == dtype
    assert all(a.dtype in (dtype, np.int64) for a in arrays_in(cache))
    assert gradients(model, ids, targets)[1].dtype == dtype


def arrays_in(node):
    if isinstance(node, tuple | list):
        for child in node:
            yield from arrays_in(child)
    elif isinstance(node, np.ndarray):
        yield node


def test_forward_and_backward_write_to_no_argument():
    model, (ids, targets) = order_one(DROPOUT), batch()
    _, g = gradient_tree(model)
    masks = masks_of(model, range(3))
    frozen = GPT(DROPOUT, model.flat.copy())
    frozen.flat.flags.writeable = False
    frozen = GPT(DROPOUT, frozen.flat)
    for array in (ids, targets, *arrays_in(masks)):
        array.flags.writeable = False
    frozen.loss_and_gradients(ids, targets, g, masks=masks)
    logits, cache = frozen.forward(ids)
    for array in (logits, *arrays_in(cache)):
        array.flags.writeable = False
    frozen.backward(logits, cache, g)


@pytest.mark.parametrize(
    ("ids", "error", "message"),
    [
        ([[0, 11]], VocabularyError, "token id 11 is outside the vocabulary of 11"),
        ([[-1, 3]], VocabularyError, "token id -1"),
        ([[0] * 9], ShapeError, "9 tokens and block_size is 8"),
        ([0, 1], ShapeError, "shape"),
        ([[0.0, 1.0]], ShapeError, "whole numbers"),
        (np.zeros((0, 4), int), ShapeError, "at least one"),
        (np.zeros((2, 0), int), ShapeError, "at least one"),
    ],
)
def test_ids_that_cannot_be_are_refused_in_one_sentence(ids, error, message):
    with pytest.raises(error, match=message):
        order_one().forward(np.asarray(ids))


def test_a_cached_text_may_not_outgrow_the_context():
    model, kv = order_one(), KVCache(SMALL, 1, dtype=np.float64)
    model.forward(np.zeros((1, 6), int), kv=kv)
    with pytest.raises(ShapeError, match="9 tokens and block_size is 8"):
        model.forward(np.zeros((1, 3), int), kv=kv)


def test_targets_outside_the_vocabulary_are_refused():
    with pytest.raises(VocabularyError, match="token id 99"):
        order_one().loss(np.zeros((1, 2), int), np.array([[0, 99]]))


def test_a_flat_array_of_another_size_is_refused():
    with pytest.raises(ShapeError, match="this configuration needs"):
        GPT(SMALL, np.zeros(7))


@pytest.mark.parametrize("option", OPTIONS)
def test_the_strict_double_of_cupy_gives_the_same_loss_and_gradients(option):
    ids, targets = batch()
    plain = order_one(OPTIONS[option])
    device = order_one(OPTIONS[option], xp=strict_xp)
    assert device.xp is strict_xp
    loss, flat = gradients(plain, ids, targets)
    device_loss, device_flat = gradients(device, ids, targets)
    assert device_loss == pytest.approx(loss, rel=1e-13)
    assert relative_error(to_host(device_flat), flat) < 1e-12


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_cached_generation_on_the_strict_double_equals_numpys_past_the_window_too(temperature):
    sampling = SamplingConfig(max_new_tokens=14, temperature=temperature, top_k=5, top_p=0.95)
    host, device = (
        list(stream_ids(order_one(xp=xp), [1, 2, 3], sampling, np.random.default_rng(0)))
        for xp in (np, strict_xp)
    )
    assert host == device and len(host) == 14


@pytest.mark.gpu
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-4), (np.float64, 1e-11)])
def test_cupy_gives_the_same_loss_and_gradients(dtype, bound):
    import cupy

    ids, targets = batch()
    loss, flat = gradients(order_one(DROPOUT, dtype=dtype), ids, targets)
    device_loss, device_flat = gradients(order_one(DROPOUT, dtype=dtype, xp=cupy), ids, targets)
    assert device_loss == pytest.approx(loss, rel=bound)
    named, reference = (
        as_tree_orientation(named_views(a, DROPOUT), DROPOUT) for a in (to_host(device_flat), flat)
    )
    for path in named:
        if not path.endswith("qkv.b"):
            assert relative_error(named[path], reference[path]) < bound, path


def test_reading_a_prompt_takes_the_memory_of_one_block_not_of_all():
    """What forward needs besides weights and cache does not grow with the number of blocks."""
    peaks = []
    for n_layer in (1, 4):
        config = ModelConfig(vocab_size=16, block_size=128, n_layer=n_layer, n_head=4, n_embd=32)
        model, kv = GPT(config, seed=1), KVCache(config)
        ids = np.zeros((1, 128), np.int64)
        tracemalloc.start()
        model.forward(ids, kv=kv, last=1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    scores = 4 * 128 * 128 * 4  # bytes of one block's attention
    assert peaks[1] < peaks[0] + scores / 2
    assert peaks[1] < 2.5 * scores  # the scores, and no cache that nobody will go back through
