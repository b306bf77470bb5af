"""The connection test: each thing a recorder needs, tried, with a tick or with what to do."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from camfleet_contract.cameras import Camera
from camfleet_contract.configuration import RecorderConfig
from recorder.capturing import Capturing
from recorder.clock import SystemClock
from recorder.config import put_together, read_config
from recorder.control_plane import ControlPlane, connected
from recorder.errors import CallRefused, CameraError, RecorderError, SpoolError
from recorder.link import Link
from recorder.local_server import listening
from recorder.looks import KEYFRAME_SECONDS, look
from recorder.receive_buffers import shortage
from recorder.retention import Reserve, disk_space
from recorder.settings import Settings
from recorder.sources import RtspClient
from recorder.storage.choice import chosen_store
from recorder.stream import Transport
from recorder.tokens import kept_tokens
from recorder.wanted import Stream, camera_streams

GIB = 1024**3
CAMERAS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one step; `told` says what was found, or what to do."""

    step: str
    is_good: bool
    told: str


async def findings(settings: Settings, *, with_cameras: bool = True) -> AsyncIterator[Finding]:
    """One finding a step, as soon as it is known."""
    yield Finding("settings", True, "complete")
    yield await _step("data folder", lambda: _data_folder(settings))
    yield await _step("status pages", lambda: _status_port(settings))
    yield await _step("storage", lambda: _storage(settings))
    tokens = kept_tokens(settings)
    await asyncio.to_thread(tokens.read)
    async with connected(settings.backend_api_url, tokens, Link(SystemClock().now)) as control_plane:
        reached = await _step("control plane", lambda: _control_plane(settings, control_plane))
        yield reached
        if not reached.is_good:
            return
        try:
            config = await _config(control_plane)
        except RecorderError as error:
            yield Finding("token and configuration", False, str(error))
            return
    yield Finding("token and configuration", not config.unreadable, _described(config))
    if with_cameras:
        capturing = Capturing(transport=Transport(settings.rtsp_transport), client=RtspClient(settings.rtsp_client))
        for finding in await _all_cameras(config, capturing):
            yield finding


async def _step(step: str, attempt: Callable[[], Awaitable[str]]) -> Finding:
    try:
        return Finding(step, True, await attempt())
    except CameraError as error:
        return Finding(step, False, f"{str(error).rstrip('.')}. {error.advice}".rstrip())
    except RecorderError as error:
        return Finding(step, False, str(error))


async def _data_folder(settings: Settings) -> str:
    base = settings.recording_base_dir

    def probe() -> str:
        try:
            base.mkdir(parents=True, exist_ok=True)
            file = base / f".recorder-check-{os.getpid()}"
            with file.open("wb") as opened:
                opened.write(b"camfleet")
                opened.flush()
                os.fsync(opened.fileno())
            file.unlink()
            recordings = base / "recordings"
            space = disk_space(recordings if recordings.is_dir() else base)
        except OSError as error:
            raise SpoolError(f"{base}: {error.strerror}. Let the recorder's user write there.") from None
        if Reserve(int(settings.min_free_gib * GIB), settings.min_free_percent / 100).is_short(space):
            raise SpoolError(
                f"{base} has only {space.free_bytes / GIB:.1f} GiB free: make room, or lower MIN_FREE_GIB."
            )
        return f"{Path(base).resolve()} can be written, {space.free_bytes / GIB:.1f} GiB free"

    return await asyncio.to_thread(probe)


async def _status_port(settings: Settings) -> str:
    try:
        with listening(settings.status_host, settings.status_port):
            return f"port {settings.status_port} on {settings.status_host} is free"
    except RecorderError as error:
        if await _is_recorder(settings):
            return f"a recorder runs there already (port {settings.status_port})"
        raise error from None


async def _is_recorder(settings: Settings) -> bool:
    try:
        async with asyncio.timeout(3):
            reader, writer = await asyncio.open_connection(settings.status_host, settings.status_port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read()  # to the end: the body may come after the head
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return b"camfleet recorder" in answer


async def _storage(settings: Settings) -> str:
    async with chosen_store(settings) as store:
        await store.check()
    return f"{settings.store} can be written" if settings.store else "the control plane opens the uploads"


async def _control_plane(settings: Settings, control_plane: ControlPlane) -> str:
    await control_plane.health()
    return f"{settings.backend_api_url} answers"


async def _config(control_plane: ControlPlane) -> RecorderConfig:
    try:
        document = await control_plane.config(None)
        return read_config(document.body if document else b"")
    except CallRefused as refusal:
        if refusal.status != HTTPStatus.NOT_FOUND:
            raise
    # An older control plane has the lists only.
    schedules, cameras = await control_plane.schedules(None), await control_plane.cameras(None)
    lists = schedules.body if schedules else b"[]", cameras.body if cameras else b"[]"
    return read_config(put_together(*lists, UUID(int=0)))


def _described(config: RecorderConfig) -> str:
    told = f"accepted; {len(config.cameras)} cameras, {len(config.schedules)} schedules"
    return "; ".join([told, *config.unreadable])


async def _all_cameras(config: RecorderConfig, capturing: Capturing) -> list[Finding]:
    turn = asyncio.Semaphore(CAMERAS_AT_ONCE)
    streams = camera_streams(config, capturing.transport)
    cameras = {camera.id: camera for camera in (*(held.camera for held in config.schedules), *config.cameras)}

    async def one(camera: Camera) -> Finding:
        async with turn:
            return await _step(f"camera {camera.name}", lambda: _camera(streams[camera.id], capturing))

    return list(await asyncio.gather(*(one(camera) for camera in cameras.values())))


async def _camera(stream: Stream, capturing: Capturing) -> str:
    try:
        async with asyncio.timeout(KEYFRAME_SECONDS + 30):
            return await asyncio.to_thread(_keyframe, stream, capturing)
    except TimeoutError:
        raise CameraError("It neither answers nor fails: restart the camera.") from None


def _keyframe(stream: Stream, capturing: Capturing) -> str:
    """As the recorder will read it, and by which client."""
    found = look(stream, capturing, SystemClock(), counts_frames=False, seconds=KEYFRAME_SECONDS)
    sight = found.sight
    sound = f", {sight.audio} sound" if sight.audio is not None else ""
    told = f"{sight.codec} {sight.width}x{sight.height}{sound}"
    lacking = shortage() if stream.transport is Transport.UDP else ""
    keyframe = f"{told}, a keyframe after {found.seconds_to_keyframe:.1f} s, read by {found.client}"
    return "; ".join(filter(None, [keyframe, lacking]))
