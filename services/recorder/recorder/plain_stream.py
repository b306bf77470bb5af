"""A plain camera's stream by our own RTSP client: the same packets as from libav, for a fraction of the CPU."""

import select
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Self

from recorder.audio import AudioPolicy
from recorder.errors import StreamEnded, StreamStalled
from recorder.liveness import Liveness
from recorder.reader import NAP_SECONDS, SHORT_NAP_SECONDS, Line, Reader
from recorder.rtsp.session import Session
from recorder.rtsp.units import AccessUnit
from recorder.samples import PlainSample
from recorder.stream import Feed
from recorder.templates import Template, annex_b
from recorder.tracks import Tracks

_BLOCK_BYTES = 1 << 18
_LOOK_MILLISECONDS = 250
"""How soon a thread that waits for a camera notices that it needn't any more."""
_LONGEST_PICTURE_SECONDS = 1


class PlainStream:
    """Open and playing. Close it: the camera counts its viewers."""

    def __init__(
        self,
        session: Session,
        reader: Reader,
        read_seconds: float,
        is_wanted: Callable[[], bool],
        on_playing: Callable[[], None],
    ) -> None:
        """Waits for the first keyframe. StreamEnded, StreamStalled; Unsuited if libav had better try."""
        self._session = session
        self._reader = reader
        self._read_seconds = read_seconds
        self._is_wanted = is_wanted
        self._liveness = Liveness(read_seconds, time.monotonic())
        self._line: Line | None = None
        self._poll = select.poll()
        self._poll.register(session.socket, select.POLLIN)
        description = session.description
        self._video_base = Fraction(1, description.video.clock_hz)
        self._audio_base = Fraction(1, description.audio.clock_hz if description.audio is not None else 1)
        self._frame_ticks = description.audio.frame_ticks if description.audio is not None else 0
        self._longest_picture = _LONGEST_PICTURE_SECONDS * description.video.clock_hz
        self._last_ticks = 0
        self._begun: list[tuple[AccessUnit, float]] = self._from_keyframe(on_playing)
        first = self._begun[0][0]
        sets = annex_b(first.parameter_sets or description.video.parameter_sets)
        self._template = Template(description.video, sets, first.data, description.audio)
        self._video, self._audio = self._template.video, self._template.audio
        self._video_index, self._audio_index = self._video.index, self._audio.index if self._audio is not None else -1

    @classmethod
    def open(
        cls,
        url: str,
        reader: Reader,
        *,
        with_audio: bool = True,
        open_seconds: float,
        read_seconds: float,
        is_wanted: Callable[[], bool],
        on_playing: Callable[[], None] = lambda: None,
    ) -> Self:
        """Connect, and wait for the first keyframe as long as that `is_wanted`; `on_playing` when anything comes.

        The errors of `CameraStream.open` and of `read`; Unsuited if libav had better try.
        """
        session = Session.open(url, with_audio=with_audio, open_seconds=open_seconds)
        try:
            return cls(session, reader, read_seconds, is_wanted, on_playing)
        except BaseException:
            session.close()
            raise

    def tracks(self, policy: AudioPolicy) -> Tracks:
        """What of it goes into segments."""
        return Tracks(self._video, self._audio, policy, self._template.describe, is_plain=self._is_plain)

    def read(self, feed: Feed, is_settled: Callable[[], bool]) -> None:
        """Hands over every packet with its arrival, until `feed` wants no more; else ends by an error, as of libav.

        Until the stamps are settled each packet is read when it comes, from then on many at a time.
        """
        if not self._read_settling(feed, is_settled):
            return

        def receive(data: bytes, arrival: float) -> bool:
            units = self._session.feed(data)
            is_wanted = feed((self._sample(self._live(unit, arrival)) for unit in units), arrival)
            self._session.go_on()  # after the packets: it tells that these were the last
            if not units:
                self._liveness.neither(arrival)
            return is_wanted

        nap_seconds = NAP_SECONDS if self._is_plain else SHORT_NAP_SECONDS
        self._line = Line(self._session.socket, receive, self._read_seconds, self._session.talk.keep_alive, nap_seconds)
        if self._is_wanted():  # else nobody interrupts it any more
            self._reader.carry(self._line)

    @property
    def _is_plain(self) -> bool:
        return self._audio is None or self._audio.codec_context.name == "aac"

    @property
    def damaged(self) -> int:
        """How many pictures and pieces of sound something is missing of, or in front of."""
        return self._session.damaged

    def interrupt(self) -> None:
        """`read` returns soon."""
        if self._line is not None:
            self._line.interrupt()

    def close(self) -> None:
        self._session.close()
        self._template.close()

    def _read_settling(self, feed: Feed, is_settled: Callable[[], bool]) -> bool:
        """Whether more is wanted. On its own, since what a function holds stays for as long as it runs: a keyframe."""
        begun, self._begun = self._begun, []
        if not all(feed((self._sample(unit),), arrival) for unit, arrival in begun):
            return False
        while not is_settled():
            for unit, arrival in self._units():
                if not feed((self._sample(unit),), arrival):
                    return False
        return True

    def _from_keyframe(self, on_playing: Callable[[], None]) -> list[tuple[AccessUnit, float]]:
        begun: list[tuple[AccessUnit, float]] = []
        is_playing = False
        while not begun:
            for unit, arrival in self._units():
                if not is_playing:
                    is_playing = True
                    on_playing()
                if begun or (unit.is_video and unit.is_keyframe):
                    begun.append((unit, arrival))
        return begun

    def _units(self) -> Iterator[tuple[AccessUnit, float]]:
        """The next that come, on the thread that calls. StreamEnded, also when nobody wants them any more."""
        silent_since = time.monotonic()
        is_there = False
        while not is_there:
            if not self._is_wanted():  # asked also while something comes: the first keyframe may be a minute away
                raise StreamEnded("Nobody wants the stream any more.")
            is_there = bool(self._poll.poll(_LOOK_MILLISECONDS))
            if not is_there and time.monotonic() - silent_since > self._read_seconds:
                raise StreamStalled(f"The camera has sent nothing for {self._read_seconds:.0f} s or more.")
        arrival = time.monotonic()
        try:
            data = self._session.socket.recv(_BLOCK_BYTES)
        except OSError as error:
            raise StreamEnded(f"The stream broke off: {error.strerror or type(error).__name__}") from None
        if not data:
            raise StreamEnded("The camera ended the stream.")
        units = self._session.feed(data)
        for unit in units:
            yield self._live(unit, arrival), arrival
        self._session.go_on()
        self._session.talk.keep_alive(arrival)
        if not units:
            self._liveness.neither(arrival)

    def _live(self, unit: AccessUnit, arrival: float) -> AccessUnit:
        if unit.is_video:
            self._liveness.video(arrival, is_keyframe=unit.is_keyframe)
        else:
            self._liveness.audio(arrival)
        return unit

    def _sample(self, unit: AccessUnit) -> PlainSample:
        if unit.is_video:
            duration = unit.ticks - self._last_ticks
            self._last_ticks = unit.ticks
            return PlainSample(
                unit.pieces,
                unit.size_bytes,
                self._video_index,
                self._video_base,
                unit.ticks,
                min(max(0, duration), self._longest_picture),
                is_keyframe=unit.is_keyframe,
                parameter_sets=annex_b(unit.parameter_sets) if unit.is_keyframe else None,
            )
        return PlainSample(
            unit.pieces,
            unit.size_bytes,
            self._audio_index,
            self._audio_base,
            unit.ticks,
            self._frame_ticks or unit.size_bytes,
            is_keyframe=True,
        )
