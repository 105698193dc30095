"""How an answer leaves the server: in one piece, or as a stream of server-sent events.

Both watch the client: when it hangs up, its job gives its places back before the next token.
"""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator

from fastapi import Response
from starlette.types import Receive, Scope, Send

from tinygpt.errors import TinyGPTError
from tinygpt.serve.engine import Job
from tinygpt.serve.errors import ERROR_CODE, ClientGone, as_api_error
from tinygpt.serve.service import Service

_log = logging.getLogger(__name__)
_DONE = b"data: [DONE]\n\n"
_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # or nginx would hold the events back
]


class Client:
    """Whoever waits for an answer; `gone` once it has hung up."""

    def __init__(self, receive: Receive, job: Job) -> None:
        self.gone = False
        self._receive, self._job = receive, job

    async def watch(self) -> None:
        """Wait until it hangs up, and cancel its job."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        self._job.cancel()


@contextlib.asynccontextmanager
async def watched(receive: Receive, job: Job) -> AsyncIterator[Client]:
    """Within the block, the job is cancelled when the client hangs up."""
    client = Client(receive, job)
    watcher = asyncio.create_task(client.watch())
    try:
        yield client
    finally:
        watcher.cancel()


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
            finally:
                self._job.cancel()
        await send({"type": "http.response.body", "body": last, "more_body": False})
