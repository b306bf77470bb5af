"""The socket and the server of the local endpoints."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

from recorder.errors import PortTaken

BACKLOG = 64


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; `PortTaken` with what to do about it. Taken before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            raise PortTaken(
                f"the local status pages can't listen on {host} port {port}: {error.strerror}. "
                "Set STATUS_PORT to a free port (or STATUS_HOST to an address of this machine)."
            ) from None
        yield listener


class LocalServer:
    """Serves an application until cancelled. Signals belong to `main`."""

    def __init__(self, app: FastAPI, listener: socket.socket) -> None:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=BACKLOG,
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._listener = listener

    async def run(self) -> None:
        """Until cancelled; open answers get a second to end."""
        serving = asyncio.create_task(self._server.serve(sockets=[self._listener]))
        try:
            await asyncio.shield(serving)
        finally:
            self._server.should_exit = True
            await serving


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
