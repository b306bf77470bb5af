"""A camera as a process of its own, of either make: started, killed, frozen and started again at the same address."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

import av

from tests.children import bound
from tests.ports import free_port
from tests.recorder.footage import nal_units

USER, PASSWORD = "viewer", "camera-s3cret"
START_SECONDS = 90
GSTREAMER_SERVER = Path(__file__).parents[1] / "gstreamer" / "server.py"
GSTREAMER_PYTHON = "/usr/bin/python3"
"""Debian's own: GStreamer's bindings belong to it."""
_PARAMETER_SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}}


class Make(StrEnum):
    """Who wrote the camera."""

    SIMULATOR = "simulator"
    GSTREAMER = "gstreamer"


class CameraProcess:
    """Plays a file in a loop and asks for a digest. While it is frozen, the kernel keeps its sockets as they are."""

    def __init__(self, make: Make, file: Path, port: int) -> None:
        self._make = make
        self._file = file
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return self.url_for(PASSWORD)

    def url_for(self, password: str) -> str:
        return f"rtsp://{USER}:{password}@127.0.0.1:{self._port}/live"

    async def start(self) -> None:
        """Returns when it serves."""
        self._process = await asyncio.create_subprocess_exec(*bound(*self._command()), stdout=asyncio.subprocess.PIPE)
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), START_SECONDS)
        assert json.loads(line)

    async def kill(self) -> None:
        """SIGKILL: the kernel closes its sockets, nobody says goodbye."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def freeze(self) -> None:
        """Connections stay open, new ones are accepted by the kernel, nothing is ever sent."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _command(self) -> list[str]:
        port = str(self._port)
        if self._make is Make.GSTREAMER:
            credentials = ["--user", USER, "--password", PASSWORD]
            return [GSTREAMER_PYTHON, str(GSTREAMER_SERVER), str(self._file), "--port", port, *credentials]
        camera = f"live:file={self._file},user={USER},password={PASSWORD}"
        return [str(Path(sys.executable).with_name("camera-simulator")), "serve", "--port", port, "--camera", camera]


@asynccontextmanager
async def camera_process(make: Make, file: Path) -> AsyncIterator[CameraProcess]:
    """A camera that serves."""
    camera = CameraProcess(make, file, free_port())
    await camera.start()
    try:
        yield camera
    finally:
        await camera.kill()


def video_units(file: Path) -> list[str]:
    """A hash a video packet of an MP4, over its NAL units without the parameter sets.

    Those are left out since servers repeat them in the stream as they see fit; the rest is the camera's picture.
    """
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        sets = _PARAMETER_SETS[stream.codec_context.name]
        return [_hashed(bytes(packet), sets) for packet in container.demux(stream) if packet.size]


def _hashed(packet: bytes, sets: set[int]) -> str:
    shift, mask = (0, 31) if 7 in sets else (1, 63)
    units = [unit for unit in nal_units(packet, annex_b=False) if unit[0] >> shift & mask not in sets]
    return sha256(b"|".join(units)).hexdigest()
