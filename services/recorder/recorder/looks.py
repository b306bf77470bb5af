"""Short looks at cameras: through the connection that records them, else by one of their own."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from threading import Event
from uuid import UUID

from camfleet_contract.heartbeats import CameraCondition
from recorder.background import in_background
from recorder.cameras import Cameras
from recorder.capture import Capture
from recorder.capturing import Capturing
from recorder.clock import Clock
from recorder.errors import CameraError, PasswordRefused, StreamEnded
from recorder.newest_picture import newest_picture
from recorder.plain_stream import PlainStream
from recorder.reader import Reader
from recorder.retries import REFUSED_RETRY_SECONDS
from recorder.samples import Sample
from recorder.sights import Lookout, Sight
from recorder.sources import RtspClient, open_stream
from recorder.spool import Spool
from recorder.wanted import Stream

KEYFRAME_SECONDS = 45.0
"""Smart codecs send a keyframe a minute at worst; most cameras every two seconds."""
_AT_ONCE = 4
_SOON_SECONDS = 3.0
_SPARED = (
    "That was a moment ago; it is tried again when its address was changed, or after five minutes, since cameras lock "
    "the account of whoever keeps asking."
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look showed, and how it was done."""

    sight: Sight
    stream: Stream
    seconds_to_keyframe: float | None
    """From the beginning of the connection; None if that was there already."""
    is_recording: bool


@dataclass(frozen=True, slots=True)
class Look:
    """By a connection of its own."""

    sight: Sight
    seconds_to_keyframe: float
    client: str
    """Who read it, for a person."""


class Looks:
    """Belongs to the event loop."""

    def __init__(self, cameras: Cameras, capturing: Capturing, clock: Clock, spool: Spool) -> None:
        self._cameras = cameras
        self._spool = spool
        self._capturing = capturing
        self._clock = clock
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._refused: dict[UUID, tuple[str, float, PasswordRefused]] = {}
        """By camera: where a password was refused, and when (monotonic)."""

    async def at(self, camera_id: UUID, *, counts_frames: bool, seconds: float = KEYFRAME_SECONDS) -> Seen:
        """UnknownCamera, CameraError. Where frames aren't counted, it may be the newest keyframe on the disk."""
        async with self._turn:
            stream, capture = self._cameras.source(camera_id)
            if capture is not None:
                seen = await self._through(capture, stream, counts_frames=counts_frames, seconds=seconds)
                if seen is not None:
                    return seen
                is_refused = capture.state()[0] is CameraCondition.REFUSED
                if is_refused and isinstance(capture.failure, PasswordRefused) and capture.url == stream.url:
                    raise PasswordRefused(f"{capture.failure} {_SPARED}")
            return await self._anew(stream, counts_frames=counts_frames, seconds=seconds)

    async def _through(self, capture: Capture, stream: Stream, *, counts_frames: bool, seconds: float) -> Seen | None:
        """None if nothing is connected."""
        lookout = Lookout(self._clock, counts_frames=counts_frames)
        is_recording = capture.state()[0] is CameraCondition.RECORDING
        try:
            async with asyncio.timeout(seconds):
                # Who reads the camera may wait for its disk just now.
                if not await in_background(f"show-{stream.camera_id}", partial(capture.show, lookout)):
                    return None
                coming = asyncio.wrap_future(lookout.sight)
                held = None if counts_frames else await self._held(coming, stream.camera_id)
                sight = held or await coming
        except TimeoutError:
            raise no_keyframe(seconds) from None
        return Seen(sight, stream, None, is_recording=is_recording)

    async def _held(self, coming: asyncio.Future[Sight], camera_id: UUID) -> Sight | None:
        """What the disk has, if nothing comes soon: with smart codecs the next keyframe may be a minute away."""
        done, _ = await asyncio.wait([coming], timeout=_SOON_SECONDS)
        held = None
        if not done:
            held = await in_background(f"newest-{camera_id}", partial(newest_picture, self._spool, camera_id))
        if held is not None:
            coming.cancel()
        return held

    async def _anew(self, stream: Stream, *, counts_frames: bool, seconds: float) -> Seen:
        self._spare_the_account(stream)
        given_up = Event()
        try:
            found = await in_background(
                f"look-{stream.camera_id}",
                partial(
                    look,
                    stream,
                    self._capturing,
                    self._clock,
                    counts_frames=counts_frames,
                    seconds=seconds,
                    given_up=given_up,
                ),
            )
        except PasswordRefused as error:
            self._refused[stream.camera_id] = (stream.url, self._clock.monotonic(), error)
            raise
        finally:
            given_up.set()
        self._refused.pop(stream.camera_id, None)
        return Seen(found.sight, stream, found.seconds_to_keyframe, is_recording=False)

    def _spare_the_account(self, stream: Stream) -> None:
        """Cameras lock the account of whoever keeps asking with a wrong password: that is told again, and not tried."""
        url, at, error = self._refused.get(stream.camera_id, ("", 0.0, None))
        left = at + REFUSED_RETRY_SECONDS - self._clock.monotonic()
        if error is not None and url == stream.url and left > 0:
            raise PasswordRefused(f"{error} {_SPARED}")


def look(
    stream: Stream,
    capturing: Capturing,
    clock: Clock,
    *,
    counts_frames: bool,
    seconds: float,
    given_up: Event | None = None,
) -> Look:
    """Connect as the recorder would, until enough is seen or somebody has `given_up`. Blocks. CameraError."""
    began = time.monotonic()

    def is_wanted() -> bool:
        return time.monotonic() - began < seconds and not (given_up is not None and given_up.is_set())

    lookout = Lookout(clock, counts_frames=counts_frames)
    unsuited: list[str] = []
    reader = Reader() if capturing.client is RtspClient.AUTO else None
    try:
        opened = open_stream(
            stream.url,
            reader,
            with_audio=True,
            transport=stream.transport,
            open_seconds=capturing.open_seconds,
            read_seconds=capturing.read_seconds,
            is_wanted=is_wanted,
            on_playing=lambda: None,
            on_unsuited=unsuited.append,
        )
        try:
            lookout.begin(opened.tracks(capturing.policy))
            opened.read(lambda samples, arrival: is_wanted() and _show(lookout, samples, arrival), lambda: False)
        finally:
            opened.close()
    except CameraError as error:
        # Nobody wanting it any more is told as an end of the stream.
        lookout.lost(no_keyframe(seconds) if isinstance(error, StreamEnded) and not is_wanted() else error)
    finally:
        if reader is not None:
            reader.close()
    lookout.lost(no_keyframe(seconds))
    sight = lookout.sight.result()
    client = "our own client" if isinstance(opened, PlainStream) else " ".join(["libav:", *unsuited]).rstrip(":.")
    return Look(sight, sight.arrival - began, client)


def _show(lookout: Lookout, samples: Iterable[Sample], arrival: float) -> bool:
    return all(lookout.feed(sample, arrival) for sample in samples)


def no_keyframe(seconds: float) -> CameraError:
    """What to say where none came in so long a time."""
    return CameraError(f"No keyframe in {seconds:.0f} s: shorten its keyframe distance.")
