"""Video with the wall clock in the picture, encoded while somebody watches."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from datetime import datetime
from fractions import Fraction

import av
from av.video.codeccontext import VideoCodecContext

from camera_simulator import nal_units
from camera_simulator.generation import encoder_name, encoder_options
from camera_simulator.media import AccessUnit, video_unit
from camera_simulator.scenes import Scene
from camera_simulator.specs import VIDEO_CLOCK_HZ, CameraSpec

_QUEUE_UNITS = 250
_CATCH_UP_SECONDS = 2.0  # how far pictures may come late on a busy machine before some are left out


async def encoded_live(spec: CameraSpec, started_at: float) -> AsyncGenerator[tuple[int, AccessUnit], None]:
    """Frame numbers and access units as they come out of the encoder; the first is a keyframe.

    Frame n is taken n frame times after `started_at` (on `time.monotonic`), which is where its pts counts from.
    """
    loop = asyncio.get_running_loop()
    units: asyncio.Queue[tuple[int, AccessUnit] | Exception] = asyncio.Queue(_QUEUE_UNITS)
    stopped = threading.Event()

    def deliver(item: tuple[int, AccessUnit] | Exception) -> None:
        loop.call_soon_threadsafe(units.put_nowait, item)

    thread = threading.Thread(target=_run, args=(spec, started_at, deliver, stopped), name=f"encoder {spec.name}")
    thread.start()
    try:
        while True:
            item = await units.get()
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()


def _run(
    spec: CameraSpec,
    started_at: float,
    deliver: Callable[[tuple[int, AccessUnit] | Exception], None],
    stopped: threading.Event,
) -> None:
    try:
        for item in _encoded(spec, started_at, stopped):
            deliver(item)
    except Exception as error:  # noqa: BLE001 - raised again where the units are taken
        deliver(error)


def _encoded(spec: CameraSpec, started_at: float, stopped: threading.Event) -> Iterator[tuple[int, AccessUnit]]:
    encoder = _open_encoder(spec)
    scene = Scene(spec.burned_name, spec.width, spec.height, spec.fps, spec.seed)
    number = int((time.monotonic() - started_at) * spec.fps)
    ticks = VIDEO_CLOCK_HZ / spec.fps
    while not stopped.wait(max(0.0, started_at + number / spec.fps - time.monotonic())):
        late = time.monotonic() - (started_at + number / spec.fps)
        clock = datetime.fromtimestamp(time.time() - late).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        for packet in encoder.encode(scene.frame(number, clock)):
            shown = number if packet.pts is None else packet.pts
            pts = round(shown * ticks)
            nals = nal_units.split(bytes(packet))
            yield shown, video_unit(spec.codec, nals, pts, pts, is_keyframe=packet.is_keyframe)
        number = next_number(number, time.monotonic() - started_at, spec.fps)


def next_number(number: int, elapsed_seconds: float, fps: int) -> int:
    """The next frame's number: what a busy moment delayed is caught up; an encoder that is too slow leaves some out."""
    is_far_behind = elapsed_seconds - (number + 1) / fps > _CATCH_UP_SECONDS
    return int(elapsed_seconds * fps) if is_far_behind else number + 1


def _open_encoder(spec: CameraSpec) -> VideoCodecContext:
    encoder = av.CodecContext.create(encoder_name(spec), "w")
    if not isinstance(encoder, VideoCodecContext):
        raise TypeError(f"{encoder_name(spec)} is no video encoder")
    encoder.width, encoder.height, encoder.pix_fmt = spec.width, spec.height, "yuv420p"
    encoder.framerate = Fraction(spec.fps)
    encoder.bit_rate = spec.bitrate_bps
    encoder.options = encoder_options(spec)
    return encoder
