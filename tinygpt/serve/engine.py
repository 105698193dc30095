"""The engine of the server: one thread that draws, and requests that join it between two tokens.

A request is a `Job` of one or more samples. They wait in a queue, take a free place in the running
batch before its next pass, and leave when they have ended or their client has gone (continuous
batching: Yu et al. 2022, "Orca"). The event loop never computes, and the engine never writes to a
socket: it tells the loop how far each sample has come.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from tinygpt.decoding import Batch, FinishReason
from tinygpt.errors import TinyGPTError
from tinygpt.generation import Generation
from tinygpt.model import GPT

T = TypeVar("T")
_log = logging.getLogger(__name__)
READ_AT_ONCE = 256  # tokens of new texts, and of one at least, that the running ones wait for


class QueueFull(TinyGPTError):
    """Too many requests wait; `retry_after` is in how many seconds to ask again."""

    retry_after = 1


class ServerClosing(TinyGPTError):
    """The server is being shut down and takes no new requests."""

    def __init__(self, says: str = "the server is shutting down; ask again when it is back"):
        super().__init__(says)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far sample `index` of a job has come: its ids[:tokens] and text[:chars] are certain."""

    index: int
    tokens: int
    chars: int
    finish_reason: FinishReason | None


class Job:
    """The samples of one request: iterate for their Progress, until all have ended.

    Progress that nobody has fetched piles up into one per sample, so a slow reader gets several
    tokens at once and holds up nobody. Iterating raises what went wrong in the engine.
    """

    def __init__(self, samples: Sequence[Generation], cancel: Callable[["Job"], None]) -> None:
        self.samples = list(samples)
        self.cancelled = False
        self._cancel = cancel
        self._news: dict[int, Progress] = {}
        self._arrived = asyncio.Event()
        self._error: Exception | None = None

    async def __aiter__(self) -> AsyncIterator[Progress]:
        left = len(self.samples)
        while left:
            await self._arrived.wait()
            self._arrived.clear()
            news, self._news = self._news, {}
            for progress in news.values():
                left -= progress.finish_reason is not None
                yield progress
            if self._error is not None:
                raise self._error

    def cancel(self) -> None:
        """Free its places before the next token; what has ended stays as it is."""
        if not self.cancelled:
            self.cancelled = True
            self._cancel(self)

    def tell(self, news: Sequence[Progress]) -> None:
        """Note how far samples have come; called on the event loop."""
        for progress in news:
            self._news[progress.index] = progress
        self._arrived.set()

    def fail(self, error: Exception) -> None:
        """End it with this error; called on the event loop."""
        self._error = error
        self._arrived.set()


class _Place:
    """A sample of a job on its way through the engine, and what the job was last told of it."""

    def __init__(self, job: Job, index: int) -> None:
        self.job, self.index, self.sample = job, index, job.samples[index]
        self.told = self._progress()

    def _progress(self) -> Progress:
        sample = self.sample
        return Progress(self.index, len(sample.ids), len(sample.text), sample.finish_reason)

    def news(self) -> Progress | None:
        """How far it is, unless that was told already."""
        now = self._progress()
        if now == self.told:
            return None
        self.told = now
        return now


class _Call(NamedTuple):
    """A function that waits for its turn, and the future of what it returns."""

    function: Callable[[], Any]
    future: Future[Any]

    def make(self) -> None:
        """Call it, unless nobody waits for it any more."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.function()
        except Exception as error:
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class Engine:
    """A thread that continues up to `batch_size` samples side by side, while others wait.

    As many samples may run and wait together as batch_size + queue_size. Use it from one event
    loop: `start`, then `submit` and `run`, and `close` at the end. Raises MemoryError when there
    is no room for the keys and values of so many.
    """

    def __init__(self, model: GPT, *, batch_size: int = 32, queue_size: int = 256) -> None:
        self._model = model
        self._batch_size = batch_size
        self._queue_size = queue_size
        self._batch = Batch[Generation](model, batch_size)
        self._places: list[_Place] = []  # that run
        self._queue: deque[_Place] = deque()  # that wait
        self._calls: deque[_Call] = deque()
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="tinygpt engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def running(self) -> int:
        """Samples that are being continued."""
        return len(self._places)

    @property
    def waiting(self) -> int:
        """Samples, and functions to call, that wait for their turn."""
        return len(self._queue) + len(self._calls)

    @property
    def closing(self) -> bool:
        """Whether nothing new is taken any more."""
        return self._closing

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to work for this event loop."""
        self._loop = loop
        self._thread.start()

    async def close(self, grace_seconds: float = 10.0) -> None:
        """Take nothing new, let what runs end for so long, cancel the rest, and stop."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, grace_seconds)
        with self._changed:  # or a sample on its way from the queue to the batch would be missed
            left = {place.job for place in [*self._places, *self._queue]}
            calls, self._calls = self._calls, deque()
        for job in left:
            job.cancel()
        for call in calls:
            if call.future.set_running_or_notify_cancel():
                call.future.set_exception(ServerClosing())
        await asyncio.to_thread(self._thread.join)

    def submit(self, samples: Sequence[Generation]) -> Job:
        """Let these samples be continued, side by side with all others.

        Raises QueueFull when there are too many, and ServerClosing after `close`.
        """
        job = Job(samples, self._drop)
        with self._changed:
            self._admit(len(samples))
            self._queue.extend(_Place(job, i) for i in range(len(samples)))
            self._changed.notify()
        return job

    async def run(self, function: Callable[[], T]) -> T:
        """What the function returns, called by the engine's thread between two passes: for all
        that uses the model and is no sample. Raises as `submit` does, and what it raises."""
        future: Future[T] = Future()
        with self._changed:
            self._admit(1)
            self._calls.append(_Call(function, future))
            self._changed.notify()
        return await asyncio.wrap_future(future)

    def _admit(self, more: int) -> None:
        if self._closing:
            raise ServerClosing
        most = self._batch_size + self._queue_size
        taken = self.running + self.waiting
        if taken + more > most:
            raise QueueFull(
                f"{taken} of {most} places are taken and this request needs {more}; wait a moment "
                "and ask again"
            )

    def _drop(self, job: Job) -> None:
        """Forget what waits of a cancelled job; the thread will see to what runs."""
        with self._changed:
            gone = [place for place in self._queue if place.job is job]
            self._queue = deque(place for place in self._queue if place.job is not job)
        for place in gone:
            place.sample.finish("cancelled")
        job.tell([progress for place in gone if (progress := place.news())])

    def _work(self) -> None:
        """What the thread does: pass after pass, until the server closes and all have ended."""
        while self._wait_for_work():
            self._call_one()
            self._seat()
            try:
                for _ in self._batch.step():
                    pass
            except Exception as error:
                if not isinstance(error, TinyGPTError):
                    _log.exception("the engine failed, and with it every running request")
                self._fail_all(error)
            else:
                self._report()

    def _wait_for_work(self) -> bool:
        """Sleep until there is something to do; False when there will be nothing any more."""
        with self._changed:
            while not (self._places or self._queue or self._calls):
                if self._closing:
                    return False
                self._changed.wait()
        return True

    def _call_one(self) -> None:
        """Make the call that has waited longest; one between two passes: the streams flow on."""
        with self._changed:
            call = self._calls.popleft() if self._calls else None
        if call is not None:
            call.make()

    def _seat(self) -> None:
        """End the samples whose client has gone, and give free places to those that wait: not to
        all at once, for the running ones wait until the new ones have been read."""
        for place in self._places:
            if place.job.cancelled:
                place.sample.finish("cancelled")
        self._batch.leave()
        unread = 0
        with self._changed:
            while self._queue and self._batch.room and unread < READ_AT_ONCE:
                place = self._queue.popleft()
                self._places.append(place)
                self._batch.join(place.sample)
                unread += place.sample.window_length

    def _report(self) -> None:
        """Tell the jobs how far their samples have come, in one call for all."""
        news: dict[Job, list[Progress]] = {}
        for place in self._places:
            if (progress := place.news()) is not None:
                news.setdefault(place.job, []).append(progress)
        self._places = [place for place in self._places if place.sample.finish_reason is None]
        self._on_loop(self._deliver, news)

    def _deliver(self, news: dict[Job, list[Progress]]) -> None:
        for job, progress in news.items():
            job.tell(progress)

    def _fail_all(self, error: Exception) -> None:
        failed = {place.job for place in self._places}
        self._places = []
        # a new cache: keys that are no numbers would reach later texts past any mask (0 * NaN)
        self._batch = Batch[Generation](self._model, self._batch_size)
        for job in failed:
            self._on_loop(job.fail, error)

    def _on_loop(self, function: Callable[..., None], *values: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *values)
