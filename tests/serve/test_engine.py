"""The engine: who joins when, who leaves, what is refused, and that nobody's text depends on it."""

import asyncio
import threading

import numpy as np
import pytest
from decoding_oracle import random_model
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygpt.config import SamplingConfig
from tinygpt.errors import TinyGPTError
from tinygpt.generation import Generation
from tinygpt.serve import engine as engine_module
from tinygpt.serve.engine import Engine, Progress, QueueFull, ServerClosing
from tinygpt.tokenizers import CharTokenizer

LETTERS = CharTokenizer("abcdefghi")
MODEL = random_model(vocab_size=9, block_size=8, n_layer=2, seed=3)


def sample(prompt="a", n=9, *, seed=0, model=MODEL, **sampling):
    sampling = {"temperature": 1.0, "max_new_tokens": n} | sampling
    return Generation(model, LETTERS, prompt, SamplingConfig(**sampling), seed=seed)


def alone(prompt="a", n=9, *, seed=0, **sampling):
    return "".join(sample(prompt, n, seed=seed, **sampling))


def with_engine(use, **sizes):
    """What `use(engine)` returns, on an engine that is closed afterwards."""

    async def run():
        engine = Engine(sizes.pop("model", MODEL), **sizes)
        engine.start(asyncio.get_running_loop())
        try:
            return await asyncio.wait_for(use(engine), 60)
        finally:
            await engine.close(grace_seconds=0)

    return asyncio.run(run())


async def finished(job):
    """Every Progress of the job."""
    return [progress async for progress in job]


class Held:
    """A function for `engine.run` that holds the engine up until it is let go."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.go_on.wait(30)

    async def begin(self, engine):
        task = asyncio.ensure_future(engine.run(self))
        assert await asyncio.to_thread(self.begun.wait, 30)
        return task


KINDS = [  # of settings: plain ones are drawn together, others beside them row by row
    {},
    {"temperature": 0.0},
    {"top_k": 3, "top_p": 0.8, "min_p": 0.05},
    {"repetition_penalty": 1.3, "presence_penalty": 0.4, "frequency_penalty": -0.2},
    {"stop": ("ab", "d"), "logprobs": 2},
]
REQUESTS = st.lists(
    st.tuples(
        st.text("abcdefghi", min_size=1, max_size=12),
        st.integers(1, 20),
        st.integers(0, 99),
        st.sampled_from(KINDS),
    ),
    min_size=1,
    max_size=7,
)


def learnt(one):
    """What a client can learn of a sample that has ended, and every log-probability."""
    logprobs = [[p.chosen, *(value for _, value in p.best)] for p in one.logprobs]
    return (one.text, one.ids, one.ends, one.finish_reason), np.ravel(logprobs)


@settings(max_examples=30)
@given(REQUESTS, st.integers(1, 4), st.data())
def test_every_text_is_what_it_would_be_alone_whenever_it_joins(requests, batch_size, data):
    pauses = [data.draw(st.integers(0, 3)) for _ in requests]

    async def use(engine):
        async def ask(prompt, n, seed, kind, pause):
            for _ in range(pause):  # others are some tokens ahead
                await engine.run(lambda: None)
            job = engine.submit([sample(prompt, n, seed=seed, **kind)])
            await finished(job)
            return job.samples[0]

        asked = [ask(*request, pause) for request, pause in zip(requests, pauses, strict=True)]
        return await asyncio.gather(*asked)

    for one, (prompt, n, seed, kind) in zip(
        with_engine(use, batch_size=batch_size), requests, strict=True
    ):
        own = sample(prompt, n, seed=seed, **kind)
        assert "".join(own) == own.text
        (said, logprobs), (own_said, own_logprobs) = learnt(one), learnt(own)
        assert said == own_said
        assert logprobs == pytest.approx(own_logprobs, abs=1e-9)


def test_progress_only_grows_and_ends_with_a_reason():
    async def use(engine):
        job = engine.submit([sample("ab", 20), sample("c", 5)])
        return job, await finished(job)

    job, told = with_engine(use)
    for i, wanted in enumerate((20, 5)):
        mine = [progress for progress in told if progress.index == i]
        assert [p.tokens for p in mine] == sorted({p.tokens for p in mine})
        assert mine[-1] == Progress(i, wanted, wanted, "length")
        assert all(p.finish_reason is None for p in mine[:-1])
        assert len(job.samples[i].ids) == wanted


def test_a_request_joins_while_another_runs():
    async def use(engine):
        long = engine.submit([sample("a", 5000)])
        short = engine.submit([sample("b", 3)])
        await finished(short)
        ahead = len(long.samples[0].ids)
        long.cancel()
        await finished(long)
        return ahead, long.samples[0].finish_reason

    ahead, reason = with_engine(use)
    assert ahead < 5000  # it had not to end first
    assert reason == "cancelled"


def test_a_cancelled_job_frees_its_places_before_the_next_token():
    async def use(engine):
        held = Held()
        first = engine.submit([sample("a", 5000), sample("b", 5000)])
        async for _ in first:
            break
        holding = await held.begin(engine)
        second = engine.submit([sample("c", 4)])
        before = (engine.running, engine.waiting)
        drawn = [len(one.ids) for one in first.samples]
        first.cancel()
        first.cancel()  # twice is once
        held.go_on.set()
        await holding
        await finished(second)
        return before, drawn, first, second, engine.running

    before, drawn, first, second, running = with_engine(use, batch_size=2)
    assert before == (2, 1)
    assert [one.finish_reason for one in first.samples] == ["cancelled"] * 2
    assert [len(one.ids) for one in first.samples] == drawn  # not one token more
    assert second.samples[0].text == alone("c", 4)
    assert running == 0


def test_what_waits_is_cancelled_at_once():
    async def use(engine):
        held = Held()
        holding = await held.begin(engine)
        job = engine.submit([sample("a", 5), sample("b", 5)])
        waiting = engine.waiting
        job.cancel()
        told = await finished(job)
        left = engine.waiting
        held.go_on.set()
        await holding
        return waiting, left, told

    waiting, left, told = with_engine(use)
    assert (waiting, left) == (2, 0)
    assert told == [Progress(i, 0, 0, "cancelled") for i in (0, 1)]


def test_a_full_queue_refuses_and_loses_nothing():
    async def use(engine):
        held = Held()
        holding = await held.begin(engine)
        jobs = [engine.submit([sample("abc"[i], 6, seed=i)]) for i in range(3)]
        with pytest.raises(QueueFull, match="3 of 3 places are taken and this request needs 1"):
            engine.submit([sample("d")])
        with pytest.raises(QueueFull):
            await engine.run(lambda: None)
        held.go_on.set()
        await holding
        for job in jobs:
            await finished(job)
        late = engine.submit([sample("d")])  # there is room again
        await finished(late)
        return [job.samples[0].text for job in [*jobs, late]]

    texts = with_engine(use, batch_size=1, queue_size=2)
    assert texts == [alone("abc"[i], 6, seed=i) for i in range(3)] + [alone("d")]


def test_a_function_is_called_between_two_passes_and_its_error_comes_back():
    async def use(engine):
        job = engine.submit([sample("a", 5000)])
        async for _ in job:
            break
        name = await engine.run(lambda: threading.current_thread().name)
        with pytest.raises(ZeroDivisionError):
            await engine.run(lambda: 1 // 0)
        running = engine.running
        job.cancel()
        await finished(job)
        return name, running

    assert with_engine(use) == ("tinygpt engine", 1)


def test_a_call_that_nobody_waits_for_any_more_is_not_made():
    async def use(engine):
        held, called = Held(), []
        holding = await held.begin(engine)
        gone = asyncio.ensure_future(engine.run(lambda: called.append("gone")))
        there = asyncio.ensure_future(engine.run(lambda: called.append("there")))
        await asyncio.sleep(0)  # both wait
        assert engine.waiting == 2
        gone.cancel()
        await asyncio.wait([gone])
        held.go_on.set()
        await holding
        await there
        return called

    assert with_engine(use) == ["there"]


def test_many_long_prompts_do_not_stop_the_texts_that_run(monkeypatch):
    """Of five prompts that come at once, two are read before each token of another text."""
    monkeypatch.setattr(engine_module, "READ_AT_ONCE", 12)
    model = random_model(vocab_size=9, block_size=16, seed=3)
    shapes, forward = [], model.forward
    monkeypatch.setattr(
        model, "forward", lambda ids, **kw: shapes.append(ids.shape) or forward(ids, **kw)
    )

    async def use(engine):
        held = Held()
        holding = await held.begin(engine)
        jobs = [engine.submit([sample("a", 6, model=model)])]
        jobs += [engine.submit([sample("abcdefg", 2, model=model)]) for _ in range(5)]
        held.go_on.set()
        await holding
        for job in jobs:
            await finished(job)
        return shapes

    read = (1, 7)
    assert with_engine(use, model=model)[:8] == [
        read, read, (3, 1), read, read, (5, 1), read, (4, 1)
    ]  # fmt: skip


def test_a_batch_too_large_for_the_memory_is_refused_at_once():
    with pytest.raises(MemoryError):
        Engine(MODEL, batch_size=10**15)


def test_a_model_that_fails_ends_what_runs_with_its_error_and_the_engine_lives_on():
    model = random_model(vocab_size=9, block_size=8, seed=3)

    async def use(engine):
        job = engine.submit([sample("a", 5000, model=model)])
        async for _ in job:
            break
        weight = model.params["wte"][0, 0].copy()
        await engine.run(lambda: model.params["wte"].__setitem__((0, 0), float("nan")))
        with pytest.raises(TinyGPTError, match="not numbers"):
            await finished(job)
        await engine.run(lambda: model.params["wte"].__setitem__((0, 0), weight))
        after = engine.submit([sample("b", 4, model=model)])
        await finished(after)
        return after.samples[0].text, engine.running

    text, running = with_engine(use, model=model)
    assert text == "".join(sample("b", 4, model=model))
    assert running == 0


def test_closing_lets_what_runs_end_and_takes_nothing_new():
    async def use():
        engine = Engine(MODEL)
        engine.start(asyncio.get_running_loop())
        job = engine.submit([sample("a", 50)])
        closing = asyncio.ensure_future(engine.close(grace_seconds=30))
        await asyncio.sleep(0)
        with pytest.raises(ServerClosing):
            engine.submit([sample("b")])
        await closing
        await finished(job)
        return job.samples[0]

    done = asyncio.run(use())
    assert (done.finish_reason, done.text) == ("length", alone("a", 50))


def test_closing_refuses_the_calls_that_wait():
    async def use():
        engine = Engine(MODEL)
        engine.start(asyncio.get_running_loop())
        held, called = Held(), []
        holding = await held.begin(engine)
        waiting = asyncio.ensure_future(engine.run(lambda: called.append("late")))
        closing = asyncio.ensure_future(engine.close(grace_seconds=0))
        with pytest.raises(ServerClosing):
            await waiting
        held.go_on.set()
        await holding
        await closing
        return called

    assert asyncio.run(use()) == []


def test_closing_without_patience_cancels_what_runs_and_what_waits():
    async def use():
        engine = Engine(MODEL, batch_size=1)
        engine.start(asyncio.get_running_loop())
        jobs = [engine.submit([sample("a", 10**6)]) for _ in range(2)]
        async for _ in jobs[0]:
            break
        await engine.close(grace_seconds=0)
        told = [await finished(job) for job in jobs]
        return [progress[-1].finish_reason for progress in told]

    assert asyncio.run(use()) == ["cancelled", "cancelled"]
