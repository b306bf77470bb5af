"""Misbehaviour on command, over HTTP: for those who run the cameras in another process."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from camera_simulator.cameras import Camera
from camera_simulator.media import Kind, UnplayableError
from camera_simulator.options import parse_fields
from camera_simulator.server import CameraSimulator

log = structlog.get_logger()

LOOPBACK = "127.0.0.1"
_REQUEST_LIMIT_SECONDS = 30.0
_BODY_LIMIT_BYTES = 64 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 415: "Unsupported Media Type"}
_FAULTS: Mapping[str, Callable[..., Coroutine[Any, Any, None] | None]] = {
    "drop": Camera.drop,
    "stall": Camera.stall,
    "silence": Camera.silence,
    "refuse": Camera.refuse,
    "resume": Camera.resume,
    "end_stream": Camera.end_stream,
    "jump": Camera.jump,
    "mute_audio": Camera.mute_audio,
    "change_password": lambda camera, password: camera.change_password(str(password)),
    "change_media": lambda camera, **changes: camera.change_media(
        **parse_fields({key: str(value) for key, value in changes.items()})
    ),
    "refuse_connections": Camera.refuse_connections,
    "accept_connections": Camera.accept_connections,
}


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Control:
    """`GET /cameras`, and `POST /cameras/NAME/fault` with `{"fault": "refuse", "status": 503}` and the like.

    It has no password: who reaches the address it listens on may use it. That is loopback unless told otherwise.
    """

    def __init__(self, simulator: CameraSimulator) -> None:
        self._simulator = simulator
        self._server: asyncio.Server | None = None
        self.url = ""

    async def open(self, port: int, host: str = LOOPBACK) -> None:
        self._server = await asyncio.start_server(self._serve, host, port)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_LIMIT_SECONDS):
                try:
                    status, answer = 200, await self._answer(await _read_request(reader))
                except _RefusedError as refused:
                    status, answer = refused.status, {"detail": str(refused)}
                body = json.dumps(answer).encode()
                head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: application/json\r\n"
                writer.write(
                    head.encode() + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
                )
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            log.info("control_request_broken_off")
        finally:
            writer.close()

    async def _answer(self, request: _Request) -> object:
        if request.path == "/cameras":
            if request.method != "GET":
                raise _RefusedError(405, "GET it")
            return [self._describe(camera) for camera in self._simulator.cameras]
        name = request.path.removeprefix("/cameras/").removesuffix("/fault")
        camera = next((each for each in self._simulator.cameras if each.name == name), None)
        if camera is None or request.path != f"/cameras/{name}/fault":
            raise _RefusedError(404, "there is GET /cameras and POST /cameras/NAME/fault")
        if request.method != "POST":
            raise _RefusedError(405, "POST it")
        # A web page can't send this type to another origin unasked.
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise _RefusedError(415, "send application/json")
        await _apply(camera, request.body)
        return self._describe(camera)

    def _describe(self, camera: Camera) -> dict[str, object]:
        return {
            "name": camera.name,
            "url": self._simulator.url(camera.name, credentials=False),
            "fault": camera.fault.value,
            "viewers": len(camera.viewers),
            "sent": {kind.value: camera.broadcast.sent_count[kind] for kind in Kind},
            "requests": len(camera.requests),
        }


async def _read_request(reader: asyncio.StreamReader) -> _Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.strip().lower(): text.strip() for name, text in (line.split(":", 1) for line in lines)}
        length = int(headers.get("content-length", "0"))
        path = unquote(urlsplit(target).path)
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise _RefusedError(400, "not an HTTP request") from error
    if not 0 <= length <= _BODY_LIMIT_BYTES:
        raise _RefusedError(400, f"the body must be at most {_BODY_LIMIT_BYTES} bytes")
    return _Request(method, path, headers, await reader.readexactly(length))


async def _apply(camera: Camera, body: bytes) -> None:
    try:
        wanted = json.loads(body)
    except ValueError as error:
        raise _RefusedError(400, "the body is not JSON") from error
    fault = wanted.pop("fault", None) if isinstance(wanted, dict) else None
    apply = _FAULTS.get(fault) if isinstance(fault, str) else None
    if apply is None:
        raise _RefusedError(400, f'the body must be {{"fault": NAME, ...}} with one of {", ".join(_FAULTS)}')
    try:
        waiting = apply(camera, **wanted)
        if waiting is not None:
            await waiting
    except (TypeError, ValueError, UnplayableError) as error:
        raise _RefusedError(400, f"{fault}: {error}") from error
