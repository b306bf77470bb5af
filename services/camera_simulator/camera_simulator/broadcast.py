"""One camera's stream: paced by the camera's own clock, the same for everybody who watches."""

import asyncio
import random
import time
from collections import Counter, deque
from contextlib import aclosing
from typing import NamedTuple

from camera_simulator.live import encoded_live
from camera_simulator.media import AccessUnit, Kind, Media
from camera_simulator.observation import Observable
from camera_simulator.playback import Cursor
from camera_simulator.specs import VIDEO_CLOCK_HZ, CameraSpec, Clock
from camera_simulator.viewers import Viewer


class SentUnit(NamedTuple):
    """An access unit that was handed to a viewer's connection."""

    viewer: int
    kind: Kind
    number: int
    """Counts the camera's units of this kind; a number left out is a unit that this viewer did not get."""
    media: int
    """0 for what the camera started with, one more after each change."""
    rtp_time: int
    is_keyframe: bool
    sha256: str


class Broadcast(Observable):
    """Times are seconds of the camera's own clock, which starts at `phase_seconds` when the camera is made."""

    def __init__(self, spec: CameraSpec, media: Media) -> None:
        super().__init__()
        self.viewers: set[Viewer] = set()
        self.sent: deque[SentUnit] = deque(maxlen=spec.sent_limit)
        self.sent_count: Counter[Kind] = Counter()
        self.media = [media]
        self.is_stalled = False
        self.is_audio_muted = False
        self.jumped_seconds = 0.0
        self._spec = spec
        self._next_media: Media | None = None
        self._watched = asyncio.Event()
        self._cursors = {track.kind: Cursor(track) for track in media.tracks}
        seeded = random.Random(f"{spec.seed} {spec.name}")  # noqa: S311 - an offset, not a secret
        first = spec.first_rtp_timestamp
        self._first_rtp_times = {kind: seeded.getrandbits(31) if first is None else first for kind in Kind}
        self._unsteadiness = seeded
        self._started_at = time.monotonic() - spec.phase_seconds
        self._started_wall_seconds = time.time() - spec.phase_seconds

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started_at

    @property
    def current_media(self) -> Media:
        """What is sent now, or from the next keyframe on."""
        return self._next_media or self.media[-1]

    async def run(self) -> None:
        """Sends until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for kind in self._cursors:
                is_live = kind is Kind.VIDEO and self._spec.clock is Clock.LIVE
                tasks.create_task(self._play_live() if is_live else self._play_loop(kind))

    def change_media(self, media: Media) -> None:
        """Goes on with this video at the next keyframe."""
        self._next_media = media

    def next_start(self) -> float | None:
        """When a viewer who joins now gets the first picture; None when a live encoder has yet to decide."""
        if not self.viewers:
            now = self.elapsed
            for each in self._cursors.values():
                each.seek(now)
        video = self._cursors[Kind.VIDEO]
        if self._spec.clock is Clock.LIVE:
            return None
        return video.next_keyframe_seconds() if self._spec.starts_at_keyframe else video.due_seconds

    def rtp_time_at(self, kind: Kind, seconds: float) -> int:
        """What the track's RTP clock shows at this moment."""
        return self._rtp_time(kind, round(seconds * self._clock_hz(kind)))

    def attach(self, viewer: Viewer) -> None:
        self.viewers.add(viewer)
        self._watched.set()
        self.changed()

    def detach(self, viewer: Viewer) -> None:
        self.viewers.discard(viewer)
        if not self.viewers:
            self._watched.clear()
        self.changed()

    async def _play_loop(self, kind: Kind) -> None:
        while True:
            await self._watched.wait()
            cursor = self._cursors[kind]
            if kind is Kind.VIDEO and self._next_media is not None and cursor.unit.is_keyframe:
                cursor = self._cursors[kind] = Cursor(self._next_media.video, cursor.due_ticks, cursor.number)
                self.media.append(self._next_media)
                self._next_media = None
            delay = cursor.due_seconds - self.elapsed
            if delay > 0:
                # The position may be another one after the wait: everybody left and somebody came.
                await asyncio.sleep(delay)
                continue
            self._send(kind, cursor.number, cursor.unit, cursor.presented_ticks)
            cursor.advance()

    async def _play_live(self) -> None:
        while True:
            await self._watched.wait()
            async with aclosing(encoded_live(self._spec, self._started_at)) as units:
                async for number, unit in units:
                    self._send(Kind.VIDEO, number, unit, unit.pts)
                    if not self.viewers:
                        break

    def _send(self, kind: Kind, number: int, unit: AccessUnit, ticks: int) -> None:
        rtp_time = self._rtp_time(kind, ticks if kind is not Kind.VIDEO else self._misjudged(ticks))
        for viewer in tuple(self.viewers):
            if self.is_stalled:
                viewer.needs_keyframe = self._spec.starts_at_keyframe
            elif not (kind is Kind.AUDIO and self.is_audio_muted) and viewer.accepts(
                kind, is_keyframe=unit.is_keyframe
            ):
                self._report_if_due(viewer, kind)
                viewer.senders[kind].send(unit, rtp_time)
                entry = (viewer.number, kind, number, len(self.media) - 1, rtp_time, unit.is_keyframe, unit.sha256)
                self.sent.append(SentUnit(*entry))
                self.sent_count[kind] += 1
        self.changed()

    def _report_if_due(self, viewer: Viewer, kind: Kind) -> None:
        now = self.elapsed
        if self._spec.rtcp_interval_seconds and now >= viewer.next_report_at.get(kind, 0):
            viewer.next_report_at[kind] = now + self._spec.rtcp_interval_seconds
            viewer.senders[kind].send_report(self._started_wall_seconds + now, self.rtp_time_at(kind, now))

    def _rtp_time(self, kind: Kind, ticks: int) -> int:
        moved = self._first_rtp_times[kind] + ticks + round(self.jumped_seconds * self._clock_hz(kind))
        return moved % (1 << 32)

    def _misjudged(self, ticks: int) -> int:
        """The picture's time as this camera tells it."""
        if self._spec.frozen_timestamps:
            return 0
        return ticks + self._unsteadiness.randint(-self._spec.unsteady_ticks, self._spec.unsteady_ticks)

    def _clock_hz(self, kind: Kind) -> int:
        return VIDEO_CLOCK_HZ if kind is Kind.VIDEO else self._cursors[kind].track.clock_hz
