"""How an answer leaves the server: in one piece, or as a stream of server-sent events.

All watch the client: when it hangs up, its job gives its places back before the next token.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from fastapi import Response
from starlette.types import Receive, Scope, Send

from tinygpt.errors import TinyGPTError
from tinygpt.serve.engine import Job
from tinygpt.serve.errors import ERROR_CODE, ClientGone, as_api_error
from tinygpt.serve.service import Service

T = TypeVar("T")
_log = logging.getLogger(__name__)
_DONE = b"data: [DONE]\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or nginx would hold the events back
]


async def hung_up(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def computed(service: Service, function: Callable[[], T], receive: Receive) -> T:
    """What the function returns, called in the engine's thread. Raises ClientGone when nobody
    waits for it any more, and then it is not called, unless it has begun; and as Engine.run."""
    call = asyncio.create_task(service.engine.run(function))
    gone = asyncio.create_task(hung_up(receive))
    try:
        await asyncio.wait([call, gone], return_when=asyncio.FIRST_COMPLETED)
        if not call.done():
            raise ClientGone
        return call.result()
    finally:
        call.cancel()
        gone.cancel()


class Client:
    """Whoever waits for an answer; `gone` once it has hung up."""

    def __init__(self, receive: Receive, job: Job) -> None:
        self.gone = False
        self._receive, self._job = receive, job

    async def watch(self) -> None:
        """Wait until it hangs up, and cancel its job."""
        await hung_up(self._receive)
        self.gone = True
        self._job.cancel()


@contextlib.asynccontextmanager
async def watched(receive: Receive, job: Job) -> AsyncIterator[Client]:
    """The job is cancelled when the client hangs up, and when the block ends, however it does: of
    a job that failed, some samples may still wait."""
    client = Client(receive, job)
    watcher = asyncio.create_task(client.watch())
    try:
        yield client
    finally:
        watcher.cancel()
        job.cancel()


async def finished(service: Service, job: Job, receive: Receive) -> None:
    """Wait until every sample of the job has ended. Raises ClientGone when nobody waits any more,
    and what `follow` raises."""
    async with watched(receive, job) as client:
        try:
            async for _ in service.follow(job):
                pass
        finally:
            if client.gone:
                raise ClientGone


class EventStream(Response):
    """Server-sent events. `events` yields what stands between "data: " and the empty line.

    A failure on the way is an event like {"error": …}, and the end; all others end with [DONE].
    """

    def __init__(self, job: Job, events: AsyncIterator[str]) -> None:
        super().__init__()
        self._job, self._events = job, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        last = _DONE
        async with watched(receive, self._job) as client:
            try:
                async for event in self._events:
                    body = f"data: {event}\n\n".encode()
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            except Exception as error:
                if client.gone:
                    scope[ERROR_CODE] = "client_gone"
                else:
                    told = as_api_error(error)
                    scope[ERROR_CODE] = told.code
                    last = f"data: {json.dumps(told.body())}\n\n".encode()
                    if not isinstance(error, TinyGPTError):
                        _log.exception("a stream failed")
        await send({"type": "http.response.body", "body": last, "more_body": False})
