"""The process that serves: a socket, uvicorn, and an end that leaves no stream hanging."""

import asyncio
import contextlib
import socket
import sys

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tinygpt.errors import ConfigError
from tinygpt.serve.engine import Engine
from tinygpt.serve.settings import Settings

MOST_HEAD = 1 << 16  # bytes of a request before its body, and between the parts of one
HEAD_SECONDS = 30  # that it may take to come
MOST_CONNECTIONS = 900  # for a process may often have no more than 1024 files open
KEEP_ALIVE = 65  # seconds; longer than the clients keep their idle connections
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)


def listen(settings: Settings) -> socket.socket:
    """A socket bound to the settings' host and port, which nobody can connect to yet.

    Raises ConfigError when there is no such host, or the port is taken.
    """
    host, port = settings.host, settings.port
    with contextlib.ExitStack() as on_failure:
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            listener = on_failure.enter_context(socket.socket(family, kind, protocol))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except UnicodeError:
            raise ConfigError(f"--host is {host!r:.60}, which cannot be a name") from None
        except OSError as error:
            raise _cannot_listen(settings, error) from None
        on_failure.pop_all()
    return listener


def _cannot_listen(settings: Settings, error: OSError) -> ConfigError:
    return ConfigError(
        f"cannot listen at {settings.host!r} port {settings.port} ({error.strerror}); choose "
        "another --port, or --host"
    )


class _Protocol(HttpToolsProtocol):
    """uvicorn's HTTP, which would take any number of connections, and wait on each for a head of
    any size: here MOST_CONNECTIONS, HEAD_SECONDS and MOST_HEAD are the end."""

    _gathered = 0  # bytes since something was complete
    _in_head = False  # a head has begun, and not ended
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.write(_BUSY)
            transport.close()
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        if self.cycle is None or self.cycle.response_complete:  # else nobody reads on
            self._expect_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_head:
            self._expect_head()

    def _expect_head(self) -> None:
        self._head_came()
        self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _head_came(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def data_received(self, data: bytes) -> None:
        self._gathered += len(data)
        super().data_received(data)
        if self._gathered > MOST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The request's head has more than {MOST_HEAD} bytes.")

    def on_headers_complete(self) -> None:
        self._gathered, self._in_head = 0, False
        self._head_came()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._gathered = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._gathered = 0
        super().on_message_complete()


class Server(uvicorn.Server):
    """uvicorn, which stops in this order: no new connections; texts that are being drawn may end
    within the grace; what is left is told that the server closes; then the connections."""

    def __init__(self, app: FastAPI, settings: Settings, listener: socket.socket) -> None:
        grace = settings.grace_seconds
        config = uvicorn.Config(
            app,
            http=_Protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=int(grace) + 5,
        )
        super().__init__(config)
        self._engine: Engine = app.state.engine
        self._settings, self._listener = settings, listener

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes. Raises ConfigError when another process, which was bound to
        the port as well, began to listen first."""
        try:
            self._listener.listen()
        except OSError as error:
            raise _cannot_listen(self._settings, error) from None
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        host, port = self._listener.getsockname()[:2]
        home = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        sys.stdout.write(f"playground: {home}/\nOpenAI's protocol: {home}/v1\n")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the texts while the connections wait for them; a second Ctrl-C cuts all short."""
        closing = asyncio.create_task(self._engine.close(self._settings.grace_seconds))
        await super().shutdown(sockets)
        await self._engine.close(0)
        await closing
