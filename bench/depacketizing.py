"""What our own RTSP client costs per camera, without reading from the socket and without writing."""

import asyncio
import select
import time
from contextlib import closing
from pathlib import Path

from bench.results import Result
from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from recorder.rtsp.session import Session

SECONDS = 15.0
NAP_SECONDS = 0.5
BLOCK_BYTES = 1 << 20


async def depacketizing(folder: Path) -> list[Result]:
    """Watch one camera, and count the time that its bytes take to become access units."""
    spec = CameraSpec(
        name="yard", audio=AudioCodec.AAC, width=1920, height=1080, fps=25, gop_frames=50, bitrate_bps=4_000_000
    )
    async with CameraSimulator([spec], port=0, cache=folder) as simulator:
        milliseconds = await asyncio.to_thread(_measured, simulator.url("yard"))
    return [Result("recorder.depacketizing", round(milliseconds, 3), "ms/s")]


def _measured(url: str) -> float:
    """CPU in milliseconds per second of the stream."""
    ticks: list[int] = []
    spent = 0.0
    with closing(Session.open(url)) as session:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(NAP_SECONDS)
            select.select([session.socket], [], [], SECONDS)
            data = session.socket.recv(BLOCK_BYTES)
            began = time.thread_time()
            units = session.feed(data)
            spent += time.thread_time() - began
            ticks += [unit.ticks for unit in units if unit.is_video]
        return 1000 * spent * session.description.video.clock_hz / (ticks[-1] - ticks[0])
