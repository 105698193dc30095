"""What is measured is the work that it says, and the numbers are made of the times as they say."""

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
from small_models import SMALL, order_one

from tinygpt import speed
from tinygpt.config import ModelConfig
from tinygpt.flops import flops_per_token, forward_flops
from tinygpt.model import GPT
from tinygpt.optim import AdamW
from tinygpt.speed import Part, decoding, prefill, training


def part_of(work, **more):
    return Part("read", 3, 4, 4, 2_000_000_000, lambda: nullcontext(work), 100, **more)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is set."""
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    return now


def test_rates_are_those_of_the_median_time():
    part = part_of(None, seconds=[5.0, 1.0, 2.0])
    assert part.tokens_per_second == 3 * 4 / 2.0
    assert part.gflops == 1.0
    assert [part.percentile(p) for p in (0, 50, 75, 100)] == [1.0, 2.0, 3.5, 5.0]


def test_work_goes_on_until_the_time_is_over_and_the_first_time_is_not_counted(clock):
    took = iter([10.0, 1.0, 2.0, 3.0, 4.0])

    def work():
        clock[0] += next(took)

    part = part_of(work)
    part.measure(15.0)
    assert part.seconds == [1.0, 2.0, 3.0]


def test_work_longer_than_the_limit_is_timed_three_times(clock):
    def work():
        clock[0] += 60.0

    part = part_of(work)
    part.measure(1.0)
    assert part.seconds == [60.0] * 3


@pytest.mark.parametrize("times", [[], [1.0], [1.0, 1.0, 2.0]])
def test_an_interrupt_leaves_what_was_measured_and_lets_go_of_what_the_work_needs(times, clock):
    took, ended = iter(times), []

    def work():
        try:
            clock[0] += next(took)
        except StopIteration:
            raise KeyboardInterrupt from None

    @contextmanager
    def begin():
        try:
            yield work
        finally:
            ended.append(True)

    part = part_of(work)
    part.begin = begin
    with pytest.raises(KeyboardInterrupt):
        part.measure(100.0)
    assert part.seconds == times[1:] and ended == [True]
    tracing = speed.tracemalloc.is_tracing()
    speed.tracemalloc.stop()
    assert not tracing


def test_memory_is_the_parameters_and_the_arrays_at_the_works_peak():
    def work():
        for _ in range(3):  # one after another, not side by side
            np.ones(1_000_000)

    part = part_of(work)
    part.measure(0.001)
    assert 8_000_000 < part.memory - part.weights < 8_200_000


def test_training_does_whole_steps_and_leaves_the_weights_as_they_are(monkeypatch):
    model, updated = order_one(dtype=np.float32), []
    before, update = model.flat.copy(), AdamW.update

    def spy(self, params, grads, lr, **how):
        updated.append(float(np.abs(grads[how["part"]]).sum()))
        update(self, params, grads, lr, **how)

    monkeypatch.setattr(AdamW, "update", spy)
    part = training(model, rows=3, workers=1)
    part.measure(0.01)
    assert len(updated) == len(part.seconds) + 1 and all(total > 0 for total in updated)
    assert np.array_equal(model.flat, before)
    assert (part.texts, part.tokens) == (3, SMALL.block_size)
    assert part.flops == 3 * SMALL.block_size * flops_per_token(SMALL)


@pytest.fixture
def passes(monkeypatch):
    """(rows, new tokens, tokens before them) of every forward pass, to a set."""
    seen, forward = set(), GPT.forward

    def spy(self, ids, *, kv, last):
        assert last == 1
        seen.add((*ids.shape, *set(kv.lengths.tolist())))
        return forward(self, ids, kv=kv, last=last)

    monkeypatch.setattr(GPT, "forward", spy)
    return seen


def test_prefill_reads_the_prompt_from_its_beginning_every_time(passes):
    part = prefill(order_one(), 5)
    part.measure(0.01)
    assert passes == {(1, 5, 0)}
    assert part.flops == forward_flops(SMALL, 5, 5)


@pytest.mark.parametrize("texts", [1, 3, 17])
def test_decoding_gives_every_text_one_token_after_the_same_number_of_others(texts, passes):
    part = decoding(order_one(), texts, 6, workers=1)
    part.measure(0.01)
    assert passes == {(texts, 1, 5)}
    assert (part.texts, part.tokens) == (texts, 1)
    assert part.flops == texts * forward_flops(SMALL, 1, 6)


def test_decoding_draws_what_it_reads_next(monkeypatch):
    drawn, read, forward = iter([7, 8] * 10_000), [], GPT.forward

    def spy(self, ids, **how):
        read.append(ids[:, 0].tolist())
        return forward(self, ids, **how)

    monkeypatch.setattr(GPT, "forward", spy)
    monkeypatch.setattr(speed, "draw", lambda probs, u: next(drawn))
    decoding(order_one(), 2, 3, workers=1).measure(0.001)
    assert len(read) >= 2 and all(ids == [7, 8] for ids in read[1:])


def test_a_few_texts_are_decoded_with_the_weights_in_panels(monkeypatch):
    laid_out = []

    @contextmanager
    def spy(model, *, workers):
        laid_out.append(workers)
        yield model

    monkeypatch.setattr(speed, "in_panels", spy)
    for texts in (1, 2, 16, 17):
        decoding(order_one(), texts, 2, workers=texts).measure(0.001)
    assert laid_out == [2, 16]


@pytest.mark.parametrize("shape", [(4, 4, 64, 64, 300), (2, 2, 32, 128, 2000), (3, 2, 128, 32, 65)])
def test_what_a_part_needs_is_about_what_it_takes(shape):
    names = ("n_layer", "n_head", "n_embd", "block_size", "vocab_size")
    config = ModelConfig(**dict(zip(names, shape, strict=True)))
    half = config.block_size // 2
    for begin in (
        lambda model: training(model, 32, 1),
        lambda model: training(model, 32, 2),
        lambda model: decoding(model, 64, half, 1),
    ):
        part = begin(GPT(config))
        part.measure(1e-9)
        assert 0.5 < part.needs / (part.memory - part.weights) < 1.1
    part = prefill(GPT(config), half)
    part.measure(1e-9)
    assert part.needs < 1.1 * (part.memory - part.weights)
