"""One camera: whom it lets in, and how it can be made to misbehave."""

import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import structlog

from camera_simulator.broadcast import Broadcast, SentUnit
from camera_simulator.media import Kind, Media
from camera_simulator.observation import WAIT_LIMIT_SECONDS
from camera_simulator.rtsp import REASONS
from camera_simulator.specs import AudioCodec, CameraSpec, Clock
from camera_simulator.viewers import Viewer

log = structlog.get_logger()

REQUESTS_LIMIT = 10_000
_FIRST_ERROR = 400
_LARGEST_JUMP_SECONDS = 1e9
_CHANGEABLE = frozenset(
    {"codec", "width", "height", "fps", "gop_frames", "bitrate_bps", "b_frames", "loop_seconds", "seed"}
    | {"picture_name", "file", "uneven_frames"}
)


class Fault(StrEnum):
    NONE = "none"
    STALLED = "stalled"
    """Connections stay open, everything is answered, no packets come."""
    SILENT = "silent"
    """Connections are accepted, nothing is answered, no packets come."""
    REFUSING = "refusing"
    """Every request is answered with `refusal_status`."""


class Answered(NamedTuple):
    method: str
    status: int
    """0 when it was left unanswered."""
    user_agent: str


class Connection(Protocol):
    """A client's TCP connection that has asked for this camera."""

    def abort(self) -> None: ...

    def finish(self) -> None:
        """Ends the stream politely: RTCP BYE, then the end of the connection."""


class Listener(Protocol):
    """A TCP port that only this camera uses."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Camera:
    """A camera that is switched on. Belongs to the event loop that made it."""

    def __init__(self, spec: CameraSpec, media: Media, make_media: Callable[[CameraSpec], Awaitable[Media]]) -> None:
        self.spec = spec
        self.broadcast = Broadcast(spec, media)
        self.password = spec.password
        self.fault = Fault.NONE
        self.refusal_status = 200
        self.connections: set[Connection] = set()
        self.requests: deque[Answered] = deque(maxlen=REQUESTS_LIMIT)
        self.listener: Listener | None = None
        self._make_media = make_media
        self._sessions = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def media(self) -> Media:
        """The ground truth: every access unit of the loop. `sources` has those of before a change, too."""
        return self.broadcast.current_media

    @property
    def sources(self) -> tuple[Media, ...]:
        """Every media this camera has sent; `SentUnit.media` is the index."""
        return tuple(self.broadcast.media)

    @property
    def viewers(self) -> frozenset[Viewer]:
        """The sessions that are playing."""
        return frozenset(self.broadcast.viewers)

    def sent(self, kind: Kind = Kind.VIDEO, viewer: int | None = None) -> list[SentUnit]:
        """What was sent, in order; to one viewer or to all (a unit is then listed once for each)."""
        return [each for each in self.broadcast.sent if each.kind is kind and viewer in {None, each.viewer}]

    # What sessions tell it

    def next_session_number(self) -> int:
        self._sessions += 1
        return self._sessions

    def attach(self, viewer: Viewer) -> None:
        log.info("viewer_came", camera=self.name, viewer=viewer.number, protocol=viewer.protocol)
        self.broadcast.attach(viewer)

    def detach(self, viewer: Viewer) -> None:
        log.info("viewer_left", camera=self.name, viewer=viewer.number)
        self.broadcast.detach(viewer)

    def answered(self, method: str, status: int, user_agent: str) -> None:
        self.requests.append(Answered(method, status, user_agent))
        self.broadcast.changed()

    # Faults

    def drop(self) -> None:
        """Resets every connection to this camera, as a crash does."""
        for connection in tuple(self.connections):
            connection.abort()

    def stall(self) -> None:
        """Keeps connections open, answers requests, sends no packets."""
        self._become(Fault.STALLED)

    def silence(self) -> None:
        """Accepts connections and answers nothing; who watches already gets nothing more."""
        self._become(Fault.SILENT)

    def refuse(self, status: int) -> None:
        """Answers every request with this status (401, 404, 453, 503 ...); who watches already keeps watching."""
        if status not in REASONS or status < _FIRST_ERROR:
            known = ", ".join(str(each) for each in REASONS if each >= _FIRST_ERROR)
            raise ValueError(f"{status} is not a refusal; there are {known}")
        self.refusal_status = status
        self._become(Fault.REFUSING)

    async def refuse_connections(self) -> None:
        """Closes the camera's port and resets what is connected: nobody gets further than TCP."""
        await self._own_listener().close()
        self.drop()

    async def accept_connections(self) -> None:
        """Opens the same port again."""
        await self._own_listener().open()

    def resume(self) -> None:
        """Ends stall, silence, refusal and mute. After a stall viewers go on at the next keyframe."""
        self.broadcast.is_audio_muted = False
        self._become(Fault.NONE)

    def end_stream(self) -> None:
        """Ends every session cleanly: RTCP BYE, then the connection's end. New sessions are welcome."""
        for connection in tuple(self.connections):
            connection.finish()

    def jump(self, seconds: float) -> None:
        """Moves the RTP timestamps of all tracks forth or back, as a camera does whose clock is set."""
        if not abs(seconds) <= _LARGEST_JUMP_SECONDS:  # so that NaN is refused, too
            raise ValueError(f"{seconds} s is no jump that a camera makes")
        self.broadcast.jumped_seconds += seconds

    def mute_audio(self) -> None:
        """Announces audio and sends none."""
        self.broadcast.is_audio_muted = True

    def change_password(self, password: str) -> None:
        """Who watches already keeps watching."""
        self.password = password

    async def change_media(self, **changes: Any) -> None:
        """Goes on with other video from the next keyframe on, in the same sessions, e.g. `width=320, height=180`.

        Takes the fields of `CameraSpec` that concern looped video. Another codec can't be told to sessions that run:
        they are dropped, and the next DESCRIBE says what is new.
        """
        if self.spec.clock is not Clock.LOOPED or not changes.keys() <= _CHANGEABLE:
            raise ValueError(f"only looped video can change, by {', '.join(sorted(_CHANGEABLE))}")
        spec = dataclasses.replace(self.spec, **changes)
        media = await self._make_media(dataclasses.replace(spec, audio=AudioCodec.NONE) if spec.file is None else spec)
        is_other_codec = media.video.codec is not self.media.video.codec
        self.spec = spec
        self.broadcast.change_media(Media(media.video, self.media.audio, self.media.metadata))
        if is_other_codec:
            self.drop()

    # Observables

    async def wait_for_viewers(self, count: int = 1, limit_seconds: float = WAIT_LIMIT_SECONDS) -> None:
        """Until exactly this many sessions are playing."""
        what = f"{self.name} has {count} viewers"
        await self.broadcast.wait_until(lambda: len(self.broadcast.viewers) == count, what, limit_seconds)

    async def wait_for_request(
        self, method: str, status: int | None = None, count: int = 1, limit_seconds: float = WAIT_LIMIT_SECONDS
    ) -> None:
        """Until this many such requests were answered (status 0: left unanswered) since the camera's start."""

        def is_seen() -> bool:
            return sum(each.method == method and status in {None, each.status} for each in self.requests) >= count

        await self.broadcast.wait_until(is_seen, f"{self.name}: {count} x {method} answered {status}", limit_seconds)

    async def wait_for_sent(
        self, more: int, kind: Kind = Kind.VIDEO, limit_seconds: float = WAIT_LIMIT_SECONDS
    ) -> None:
        """Until this many more units of this kind were sent than by now, all viewers counted."""
        target = self.broadcast.sent_count[kind] + more
        what = f"{self.name} sent {more} more units"
        await self.broadcast.wait_until(lambda: self.broadcast.sent_count[kind] >= target, what, limit_seconds)

    def _become(self, fault: Fault) -> None:
        self.fault = fault
        self.broadcast.is_stalled = fault in {Fault.STALLED, Fault.SILENT}
        log.info("camera_fault", camera=self.name, fault=fault.value)
        self.broadcast.changed()

    def _own_listener(self) -> Listener:
        if self.listener is None:
            raise ValueError(f"{self.name} shares its port; give it one with own_port=True")
        return self.listener
