"""What every request passes before its endpoint, outermost first: log, host or key, body limit.

Plain ASGI: Starlette's own kind of middleware would hide from endpoints that a client has gone.
"""

import asyncio
import contextlib
import hashlib
import hmac
import logging
import re
import time
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tinygpt.serve.errors import CLIENT_GONE, ERROR_CODE, ApiError, as_api_error
from tinygpt.serve.logs import REQUEST_ID
from tinygpt.serve.metrics import Metrics
from tinygpt.serve.settings import is_loopback

_log = logging.getLogger("tinygpt.serve")
_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def _header(scope: Scope, name: bytes) -> bytes | None:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), None)


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    scope[ERROR_CODE] = error.code
    await error.response()(scope, receive, send)


class RequestLog:
    """Gives every request an id (its own X-Request-ID, if it is a plain one), which the answer
    and all log lines carry; logs and counts it when it is over. Lets HEAD be answered as GET is,
    without the body, which the HTTP server leaves out."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given, method, status = _header(scope, b"x-request-id"), scope["method"], CLIENT_GONE
        request_id = given.decode() if given and _ID.fullmatch(given) else uuid.uuid4().hex
        token = REQUEST_ID.set(request_id)
        scope = dict(scope, method="GET") if method == "HEAD" else scope
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()), (b"x-request-id", request_id.encode())
                ]  # fmt: skip
            await send(message)

        try:
            with self.metrics.in_flight.track_inprogress():
                await self.app(scope, receive, send_with_id)
        except Exception as error:
            _log.exception("the server failed")
            if status != CLIENT_GONE:  # the answer has begun, and can only be cut off
                raise
            await _refuse(as_api_error(error), scope, receive, send_with_id)
        finally:
            self._over(scope, method, status, time.perf_counter() - started)
            REQUEST_ID.reset(token)

    def _over(self, scope: Scope, method: str, status: int, seconds: float) -> None:
        path = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(path, str(status)).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        fields = {
            "method": method,
            "path": scope["path"][:200],
            "status": status,
            "seconds": round(seconds, 4),
            "client": (scope.get("client") or ("",))[0],
        }
        if (code := scope.get(ERROR_CODE)) is not None:
            self.metrics.errors.labels(code).inc()
            fields["error"] = code
        _log.info("request", extra={"fields": fields})


class HostCheck:
    """Without a key: lets in who calls this machine by a name of its own, such as localhost.

    A foreign web page, open in a browser here, can have its site's name resolve to 127.0.0.1 (DNS
    rebinding); to the browser this server is then that page's own site. But Host tells the name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_ours(scope):
            await self.app(scope, receive, send)
            return
        error = ApiError(
            421,
            "without a key this server answers its own machine alone, and the header Host names "
            "another; call it at localhost, or set TINYGPT_API_KEY",
            code="unknown_host",
        )
        await _refuse(error, scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        # whoever leaves it out is no browser
        host = (_header(scope, b"host") or b"localhost").decode("latin-1")
        return is_loopback(re.sub(r":\d*$", "", host).strip("[]").lower())


class KeyCheck:
    """Lets in who sends the key, as "Authorization: Bearer KEY" or "X-API-Key: KEY".

    Public is what gives nothing away: /health and /ready, for those who watch over the process;
    /openapi.json; and the page at / with its files below `public_files`, which then asks for it.
    """

    OPEN = ("/health", "/ready")  # to every method: those that there are not are 405, not 401
    PUBLIC = ("/openapi.json", "/")

    def __init__(self, app: ASGIApp, key: str, public_files: str) -> None:
        self.app, self.public_files = app, public_files
        self._digest = hashlib.sha256(key.encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_public(scope) or self._has_key(scope):
            await self.app(scope, receive, send)
            return
        error = ApiError(
            401,
            "the API key is missing or wrong; send it as Authorization: Bearer KEY, or as "
            "X-API-Key: KEY",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )
        await _refuse(error, scope, receive, send)

    def _is_public(self, scope: Scope) -> bool:
        path: str = scope["path"]
        reads = scope["method"] == "GET"
        readable = path in self.PUBLIC or path.startswith(self.public_files)
        return path in self.OPEN or (reads and readable)

    def _has_key(self, scope: Scope) -> bool:
        kind, _, bearer = (_header(scope, b"authorization") or b"").partition(b" ")
        given = [_header(scope, b"x-api-key") or b""]
        if kind.lower() == b"bearer":
            given.append(bearer.strip())
        # digests are equally long, and compared in a time that tells nothing
        return any(hmac.compare_digest(hashlib.sha256(k).digest(), self._digest) for k in given)


class BodyLimit:
    """Reads a request's body before its endpoint runs, and refuses a larger one than `most`."""

    LINGER = 2.0  # seconds that the rest of a refused body is read, and thrown away

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app, self.most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = _header(scope, b"content-length")
        body, more = bytearray(), True
        while more and len(body) <= self.most and int(declared or 0) <= self.most:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if more or len(body) > self.most:
            error = ApiError(
                413,
                f"the body has more than {self.most} bytes, the most that this server takes; send "
                "less at a time",
                code="body_too_large",
            )
            await self._refuse_while_it_sends(error, scope, receive, send)
            return
        unread = True

        async def replay() -> Message:
            nonlocal unread
            if unread:
                unread = False
                return {"type": "http.request", "body": bytes(body), "more_body": False}
            return await receive()

        await self.app(scope, replay, send)

    async def _refuse_while_it_sends(
        self, error: ApiError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Refuse, then read on for a while, and only then close: a connection that is closed with
        something unread is reset, and many a client then never sees the answer."""

        async def send_and_keep_open(message: Message) -> None:
            if message["type"] == "http.response.body":
                message["more_body"] = True
            await send(message)

        await _refuse(error, scope, receive, send_and_keep_open)
        if _header(scope, b"expect") is None:  # such a client waits, and reading would invite it
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.LINGER):
                    while (await receive()).get("more_body", False):
                        pass
        await send({"type": "http.response.body"})
