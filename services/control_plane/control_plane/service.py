"""The running service: the application on a port, from its start to the last answer."""

import asyncio
import contextlib
import gc
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import structlog
import uvicorn

from control_plane.jobs.worker import work
from control_plane.main import create_app
from control_plane.prerequisites import StartError, command_database, open_services, service_database
from control_plane.services import Services
from control_plane.settings import Settings

log = structlog.get_logger()

# Long enough for every request that is allowed to wait for the database.
_GRACE_SECONDS = 15

UVICORN: dict[str, Any] = {
    "log_config": None,
    "access_log": False,
    "server_header": False,
    # The application has its own, which trusts nobody unless told to.
    "proxy_headers": False,
    "timeout_keep_alive": 75,
    # There are none here; uvicorn would advise in the log, for each caller who asks, to install them.
    "ws": "none",
}
"""How uvicorn is set up, here and where it is measured what it can do at most."""


class RunningService:
    """The control plane, answering."""

    def __init__(self, services: Services, server: "_Server", port: int) -> None:
        self.services = services
        self._server = server
        self.port = port

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        host = self.services.settings.host
        shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - no binding
        return f"http://{shown}:{self.port}"

    def stop(self) -> None:
        """Take no more requests, answer the open ones, those that wait for news at once."""
        self.services.config_changes.release()
        self._server.should_exit = True

    async def ended(self) -> None:
        """Wait until the last request is answered."""
        await self._server.has_ended.wait()


@contextlib.asynccontextmanager
async def running_service(settings: Settings) -> AsyncIterator[RunningService]:
    """The service with all it needs, answering; stopped at the end. Raises StartError."""
    with _listening_socket(settings) as listener:
        async with service_database(settings) as database_url, open_services(settings, database_url) as services:
            server = _Server(
                uvicorn.Config(create_app(services), lifespan="on", timeout_graceful_shutdown=_GRACE_SECONDS, **UVICORN)
            )
            running = RunningService(services, server, listener.getsockname()[1])
            serving = asyncio.create_task(server.run_on(listener), name="uvicorn")
            try:
                await server.has_started_or_ended.wait()
                if not server.started:
                    raise StartError("the application did not start; the log says why")
                log.info("control_plane_started", url=running.url)
                yield running
            finally:
                running.stop()
                await serving
    log.info("control_plane_stopped")


async def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises StartError."""
    # Each recorder that waits for news is a connection, and the usual limit for a program is 1,024.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    await _until_told_to_end(lambda has_started, told_to_end: _run(settings, has_started, told_to_end))


async def work_only(settings: Settings) -> None:
    """Do background work, and nothing else, until SIGTERM or SIGINT. Raises StartError."""
    await _until_told_to_end(lambda has_started, told_to_end: _work(settings, has_started, told_to_end))


async def _until_told_to_end(run: Callable[[asyncio.Event, asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    loop = asyncio.get_running_loop()
    told_to_end = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, told_to_end.set)
    has_started = asyncio.Event()
    running = asyncio.create_task(run(has_started, told_to_end))
    told = asyncio.create_task(told_to_end.wait())
    await asyncio.wait([running, told], return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not has_started.is_set():
        # It may be waiting for the database, which is no reason to make anybody wait for the end.
        running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def _run(settings: Settings, has_started: asyncio.Event, told_to_end: asyncio.Event) -> None:
    async with running_service(settings) as service:
        # What was loaded stays for good: looking through all of it for garbage, again and again, halts every answer
        # for a tenth of a second.
        gc.collect()
        gc.freeze()
        has_started.set()
        waits = [asyncio.create_task(service.ended()), asyncio.create_task(told_to_end.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def _work(settings: Settings, has_started: asyncio.Event, told_to_end: asyncio.Event) -> None:
    async with command_database(settings) as database_url, open_services(settings, database_url) as services:
        has_started.set()
        working = asyncio.create_task(work(services), name="jobs")
        told = asyncio.create_task(told_to_end.wait())
        await asyncio.wait([working, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working


class _Server(uvicorn.Server):
    """uvicorn's server, which tells when it has started and ended, and leaves signals to `serve`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started_or_ended = asyncio.Event()
        self.has_ended = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not here: a test runs several servers in one process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started_or_ended.set()

    async def run_on(self, listener: socket.socket) -> None:
        """Serve until told to stop."""
        try:
            await self.serve(sockets=[listener])
        finally:
            self.has_ended.set()
            self.has_started_or_ended.set()


@contextlib.contextmanager
def _listening_socket(settings: Settings) -> Iterator[socket.socket]:
    """Bound before anything else starts, so that a port that is taken is told at once."""
    where = f"{settings.host}:{settings.port}"
    try:
        # The protocol by its number: asyncio turns Nagle's algorithm off only where it reads TCP there. With it on, the
        # second piece of every answer waits 40 ms for the caller's acknowledgement of the first.
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartError(f"HOST {settings.host} is no address of this machine: {error}") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except PermissionError as error:
            raise StartError(f"{where} needs more rights than this user has: set PORT to one above 1023") from error
        except OSError as error:
            raise StartError(
                f"{where} can't be used ({error.strerror}): is the control plane running already? "
                "Otherwise set HOST or PORT"
            ) from error
        yield listener
