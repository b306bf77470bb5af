"""The socket and the server of the local endpoints."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from email.utils import formatdate

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from recorder.errors import PortTaken

BACKLOG = 64


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; `PortTaken` with what to do about it. Taken before anything else is started."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
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
            _Dated(app),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            date_header=False,  # it would be that of the last tick
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
            self._server.exit()
            await serving


class _Dated:
    """Says when each answer was made, as RFC 9110 asks for (6.6.1)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = (b"date", formatdate(usegmt=True).encode())
                message = {**message, "headers": [date, *message.get("headers", ())]}
            await send(message)

        await self._app(scope, receive, send_dated)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._exiting = asyncio.Event()

    def exit(self) -> None:
        """Serve no more."""
        self.should_exit = True
        self._exiting.set()

    async def main_loop(self) -> None:
        # uvicorn looks ten times a second whether it should end: most of what an idle recorder did.
        await self.on_tick(0)  # the headers of all answers
        await self._exiting.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
