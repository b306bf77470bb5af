"""Many cameras in one process."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from camera_simulator.cameras import Camera
from camera_simulator.generation import default_cache, media_for, media_key
from camera_simulator.media import Media
from camera_simulator.rtsp import HEAD_LIMIT_BYTES
from camera_simulator.session import Connection
from camera_simulator.specs import CameraSpec


class Listener:
    """A TCP port that serves cameras; opened again it is the same port."""

    def __init__(self, host: str, port: int, cameras: dict[str, Camera], tasks: asyncio.TaskGroup) -> None:
        self.host, self.port = host, port
        self._cameras, self._tasks = cameras, tasks
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def open(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=HEAD_LIMIT_BYTES)
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Takes no more connections; those there are go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def abort_connections(self) -> None:
        for connection in tuple(self._connections):
            connection.abort()

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("peername") is None:  # gone before it was taken
            writer.close()
            return
        connection = Connection(reader, writer, self._cameras.get)
        self._connections.add(connection)
        task = self._tasks.create_task(connection.serve())
        task.add_done_callback(lambda _: self._connections.discard(connection))


class CameraSimulator:
    """Serves its cameras between `async with` and its end.

    `port` 0 takes a free one. Media is generated before the first connection is taken and kept in `cache`.
    """

    def __init__(
        self, specs: Iterable[CameraSpec], *, host: str = "127.0.0.1", port: int = 0, cache: Path | None = None
    ) -> None:
        self._specs = tuple(specs)
        if len({spec.name for spec in self._specs}) != len(self._specs):
            raise ValueError("two cameras have the same name")
        self.host, self.port = host, port
        self._cache = cache or default_cache()
        self._media: dict[str, asyncio.Task[Media]] = {}
        self._cameras: dict[str, Camera] = {}
        self._listeners: list[Listener] = []
        self._stopped = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def cameras(self) -> tuple[Camera, ...]:
        return tuple(self._cameras.values())

    def camera(self, name: str) -> Camera:
        return self._cameras[name]

    def url(self, name: str, *, credentials: bool = True) -> str:
        """The camera's RTSP address, user and password as they are now included when it asks for them."""
        camera = self._cameras[name]
        user = f"{quote(camera.spec.user, safe='')}:{quote(camera.password, safe='')}@"
        port = camera.listener.port if isinstance(camera.listener, Listener) else self.port
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{user if credentials and camera.spec.user else ''}{host}:{port}/{name}"

    async def __aenter__(self) -> Self:
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # A task of its own: fixtures may enter and leave from different tasks, a TaskGroup may not.
        self._running = asyncio.create_task(self._run(ready))
        try:
            await asyncio.wait({self._running, ready}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._running.cancel()
            raise
        if not ready.done():
            await self._running
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._running is not None:
            await self._running

    async def _run(self, ready: asyncio.Future[None]) -> None:
        media = await asyncio.gather(*(self._make_media(spec) for spec in self._specs))
        for spec, source in zip(self._specs, media, strict=True):
            self._cameras[spec.name] = Camera(spec, source, self._make_media)
        async with asyncio.TaskGroup() as tasks:
            shared = {name: camera for name, camera in self._cameras.items() if not camera.spec.own_port}
            listener = Listener(self.host, self.port, shared, tasks)
            self._listeners.append(listener)
            for name, camera in self._cameras.items():
                if camera.spec.own_port:
                    camera.listener = own = Listener(self.host, 0, {name: camera}, tasks)
                    self._listeners.append(own)
            for each in self._listeners:
                await each.open()
            self.port = listener.port
            playing = [tasks.create_task(camera.broadcast.run(), name=name) for name, camera in self._cameras.items()]
            ready.set_result(None)
            await self._stopped.wait()
            for each in self._listeners:
                await each.close()
                each.abort_connections()
            for task in playing:
                task.cancel()

    async def _make_media(self, spec: CameraSpec) -> Media:
        """Generated in a thread, and once for all cameras that show the same."""
        key = media_key(spec)
        if key not in self._media:
            self._media[key] = asyncio.create_task(asyncio.to_thread(media_for, spec, self._cache))
        return await self._media[key]
