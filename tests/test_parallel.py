"""The training step: PyTorch's ten steps, any number of workers, and what goes wrong loudly."""

import math
from dataclasses import replace

import numpy as np
import pytest
import strict_xp
from hypothesis import given
from hypothesis import strategies as st
from small_models import (
    SMALL,
    as_tree_orientation,
    batch,
    golden,
    golden_model,
    order_one,
    relative_error,
)

from tinygpt.backend import to_host
from tinygpt.config import ModelConfig
from tinygpt.errors import ConfigError, ShapeError, VocabularyError
from tinygpt.model import GPT
from tinygpt.optim import AdamW, lr_at
from tinygpt.parallel import TrainingStep, cut, outweighs_the_model
from tinygpt.params import decayed_count, named_views

ROWS = 6
DROPOUT = replace(SMALL, dropout=0.3)


def adamw(model, **settings):
    return AdamW(
        len(model.flat), decayed_count(model.config), dtype=model.dtype, xp=model.xp, **settings
    )


def train(config=SMALL, *, workers=1, steps=4, accumulate=1, clip=1.0, dtype=np.float64, xp=np):
    """A few steps from order-one weights: losses, gradient norms, parameters on the host."""
    model = order_one(config, dtype=dtype, xp=xp)
    step = TrainingStep(
        model, adamw(model), rows=ROWS, workers=workers, clip=clip, seed=5, accumulate=accumulate
    )
    try:
        results = [step(*batch(rows=ROWS, seed=i), lr=0.01, step=i) for i in range(steps)]
    finally:
        step.close()
    losses, norms = zip(*results, strict=True)
    return losses, norms, to_host(model.flat)


def assert_close(one, two, bound=1e-9):
    """Losses, norms, parameters. Not closer: Adam divides the key bias's rounding by itself."""
    for a, b in zip(one, two, strict=True):
        assert relative_error(a, b) < bound


def ten_golden_steps(dtype, workers):
    expected, model = golden("gpt"), golden_model(dtype)
    recipe = {k.removeprefix("recipe/"): a for k, a in expected.items() if k.startswith("recipe/")}
    settings = {k: float(recipe[k]) for k in ("beta1", "beta2", "eps", "weight_decay")}
    ids, targets = expected["step_ids"], expected["step_targets"]
    step = TrainingStep(
        model, adamw(model, **settings), rows=ids.shape[1], workers=workers,
        clip=float(recipe["clip"]),
    )  # fmt: skip
    try:
        results = [step(ids[i], targets[i], lr=float(recipe["lrs"][i]), step=i) for i in range(10)]
    finally:
        step.close()
    assert max(norm for _, norm in results) > recipe["clip"], "the clipping was never needed"
    return [loss for loss, _ in results], model


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-5), (np.float64, 1e-7)])
def test_the_losses_of_ten_steps_equal_pytorchs(dtype, bound, workers):
    """Not closer in float64: PyTorch clips by clip / (norm + 1e-6)."""
    losses, _ = ten_golden_steps(dtype, workers)
    bits = np.dtype(dtype).itemsize * 8
    np.testing.assert_allclose(losses, golden("gpt")[f"step_losses{bits}"], rtol=bound, atol=0)


def test_the_parameters_after_ten_steps_equal_pytorchs():
    _, model = ten_golden_steps(np.float64, workers=1)
    named = as_tree_orientation(named_views(model.flat, model.config), model.config)
    for path, array in named.items():
        assert relative_error(array, golden("gpt")[f"stepped64/{path}"]) < 1e-6, path


@pytest.mark.parametrize("config", [SMALL, DROPOUT], ids=["plain", "dropout"])
@pytest.mark.parametrize("workers", [2, 3, 4])
def test_another_number_of_workers_agrees_to_rounding(config, workers):
    assert_close(train(config, workers=workers), train(config, workers=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_same_number_of_workers_repeats_every_bit(workers, dtype):
    one, two = (train(DROPOUT, workers=workers, dtype=dtype) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("config", [SMALL, DROPOUT], ids=["plain", "dropout"])
@pytest.mark.parametrize("accumulate", [2, 3, 6])
@pytest.mark.parametrize("workers", [1, 2])
def test_accumulated_micro_batches_equal_one_large_batch(config, accumulate, workers):
    assert_close(train(config, workers=workers, accumulate=accumulate), train(config))


def test_recomputing_activations_changes_no_bit_of_training():
    one, two = (train(replace(DROPOUT, recompute=r), workers=2) for r in (False, True))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_clipping_bounds_the_update_and_zero_turns_it_off():
    """One step of plain AdamW moves by lr whatever the scale, so look at the first moment."""
    moments = []
    for clip in (0.0, 1.0):
        model = order_one()
        optimizer = adamw(model)
        step = TrainingStep(model, optimizer, rows=ROWS, workers=2, clip=clip)
        _, norm = step(*batch(rows=ROWS), lr=0.01, step=0)
        step.close()
        moments.append(np.linalg.norm(optimizer.m) / (1 - optimizer.beta1))
    assert norm > 1.0
    assert moments == pytest.approx([norm, 1.0], rel=1e-12)


def test_a_worker_that_fails_fails_the_step_and_changes_nothing():
    model = order_one()
    before = model.flat.copy()
    step = TrainingStep(model, adamw(model), rows=ROWS, workers=2)
    x, y = batch(rows=ROWS)
    x[-1, 0] = SMALL.vocab_size
    with pytest.raises(VocabularyError, match="token id 11"):
        step(x, y, lr=0.1, step=0)
    np.testing.assert_array_equal(model.flat, before)
    x[-1, 0] = 0
    assert math.isfinite(step(x, y, lr=0.1, step=1)[0])
    step.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_overflow_raises_in_worker_threads_too(workers):
    model = order_one()
    model.params["wte"][...] = 1e200
    step = TrainingStep(model, adamw(model), rows=ROWS, workers=workers)
    with pytest.raises(FloatingPointError):
        step(*batch(rows=ROWS), lr=0.1, step=0)
    step.close()


def test_a_loss_that_is_not_finite_updates_nothing():
    model = order_one()
    model.flat[3] = np.nan
    before, optimizer = model.flat.copy(), adamw(model)
    step = TrainingStep(model, optimizer, rows=ROWS, workers=2)
    with np.errstate(all="ignore"):
        loss, _ = step(np.zeros((ROWS, 4), int), np.zeros((ROWS, 4), int), lr=0.1, step=0)
    step.close()
    assert math.isnan(loss) and optimizer.t == 0
    np.testing.assert_array_equal(model.flat, before)


def test_one_batch_is_learned_by_heart():
    config = replace(SMALL, n_embd=16)
    model, steps = GPT(config, seed=1), 120
    ids, _ = batch(config, rows=4)
    targets = np.random.default_rng(2).integers(0, config.vocab_size, ids.shape)
    step = TrainingStep(model, adamw(model, weight_decay=0.0), rows=4, workers=1)
    for i in range(steps):
        lr = lr_at(i, lr=2e-2, min_lr=2e-3, warmup=10, steps=steps)
        step(ids, targets, lr=lr, step=i)
    step.close()
    # Rows that begin alike are told apart from the first difference on, so a floor remains.
    assert model.loss(ids, targets) < floor_of(ids, targets) + 0.05


def floor_of(ids, targets):
    """The best mean loss for a model that sees the prefix alone."""
    seen: dict[bytes, list[int]] = {}
    for row, answers in zip(ids, targets, strict=True):
        for t, answer in enumerate(answers):
            seen.setdefault(row[: t + 1].tobytes(), []).append(int(answer))
    losses = [-math.log(a.count(x) / len(a)) for a in seen.values() for x in a]
    return sum(losses) / len(losses)


@pytest.mark.parametrize("config", [SMALL, DROPOUT], ids=["plain", "dropout"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_training_on_the_strict_double_of_cupy_equals_numpys(config, accumulate):
    device = train(config, workers=2, accumulate=accumulate, xp=strict_xp)
    assert_close(device, train(config, accumulate=accumulate))


@given(n=st.integers(0, 50), parts=st.integers(1, 9))
def test_cut_covers_everything_in_order_and_evenly(n, parts):
    ranges = cut(n, parts)
    assert [i for r in ranges for i in r] == list(range(n))
    lengths = [len(r) for r in ranges]
    assert len(ranges) == parts and max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize(("rows", "accumulate", "workers"), [(2, 1, 8), (6, 3, 8), (5, 5, 2)])
def test_there_are_never_more_workers_than_rows_in_a_micro_batch(rows, accumulate, workers):
    model = order_one()
    step = TrainingStep(model, adamw(model), rows=rows, workers=workers, accumulate=accumulate)
    assert step.shares == rows // accumulate
    step.close()


def test_under_a_model_that_outweighs_the_batch_one_worker_computes_with_all_of_blas():
    """Few tokens, many parameters: no second gradient, the same result, bit for bit each time."""
    config = replace(SMALL, vocab_size=5000)
    assert not outweighs_the_model(ROWS, config) and outweighs_the_model(ROWS, SMALL)
    model = order_one(config)
    step = TrainingStep(model, adamw(model), rows=ROWS, workers=2)
    assert step.shares == 1 and step.pool.n == 2
    step.close()
    one, again, alone = (train(config, workers=workers) for workers in (2, 2, 1))
    for a, b in zip(one, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert_close(one, alone)


@pytest.mark.gpu
def test_training_on_cupy_equals_numpys():
    import cupy

    assert_close(train(DROPOUT, xp=cupy), train(DROPOUT), bound=1e-8)


def test_a_batch_of_other_rows_is_refused():
    model = order_one()
    step = TrainingStep(model, adamw(model), rows=ROWS)
    ids, targets = batch(rows=ROWS + 2)
    with pytest.raises(ShapeError, match=f"give both {ROWS} rows"):
        step(ids, targets, lr=0.1, step=0)
    with pytest.raises(ShapeError, match="as many tokens"):
        step(ids[:ROWS], targets[:ROWS, :-1], lr=0.1, step=0)
    step.close()


def test_rows_that_cannot_be_cut_into_micro_batches_are_refused():
    model = GPT(ModelConfig(vocab_size=5, block_size=4, n_layer=1, n_head=1, n_embd=4))
    optimizer = AdamW(len(model.flat), 0)
    for accumulate in (2, 0, -3):
        with pytest.raises(ConfigError, match="multiple of accumulate"):
            TrainingStep(model, optimizer, rows=3, accumulate=accumulate)
    with pytest.raises(ConfigError, match="workers is -1; give 0"):
        TrainingStep(model, optimizer, rows=3, workers=-1)
