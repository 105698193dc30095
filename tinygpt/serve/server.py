"""The process that serves: a socket, uvicorn, and an end that leaves no stream hanging."""

import asyncio
import socket
import sys

import uvicorn
from fastapi import FastAPI

from tinygpt.errors import ConfigError
from tinygpt.serve.engine import Engine
from tinygpt.serve.settings import Settings

KEEP_ALIVE = 65  # seconds; longer than the clients keep their idle connections


def listen(settings: Settings) -> socket.socket:
    """A socket bound to the settings' host and port, which nobody can connect to yet.

    Raises ConfigError when there is no such host, or the port is taken.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigError(
            f"cannot listen at {host} port {port} ({error.strerror}); choose another --port, or "
            "--host"
        ) from None
    return listener


class Server(uvicorn.Server):
    """uvicorn, which stops in this order: no new connections; texts that are being drawn may end
    within the grace; what is left is told that the server closes; then the connections."""

    def __init__(self, app: FastAPI, settings: Settings, listener: socket.socket) -> None:
        grace = settings.grace_seconds
        config = uvicorn.Config(
            app,
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
        self._grace, self._listener = grace, listener

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say where."""
        await super().startup(sockets)
        host, port = self._listener.getsockname()[:2]
        home = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        sys.stdout.write(f"playground: {home}/\nOpenAI's protocol: {home}/v1\n")
        sys.stdout.flush()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the texts while the connections wait for them; a second Ctrl-C cuts all short."""
        closing = asyncio.create_task(self._engine.close(self._grace))
        await super().shutdown(sockets)
        await self._engine.close(0)
        await closing
