"""What a plain camera costs behind the depacketizer: its samples, their times, the fragments, and writing them."""

import asyncio
import select
import socket
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import cast

from uuid_utils.compat import uuid7

from bench.results import Result
from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from recorder.audio import AudioPolicy
from recorder.clock_error import ClockError
from recorder.coverage import Coverage
from recorder.durability import Syncer
from recorder.journal import Journal
from recorder.plain_stream import PlainStream
from recorder.reader import Line, Reader
from recorder.rtsp.description import Description
from recorder.rtsp.session import Session
from recorder.rtsp.units import AccessUnit
from recorder.samples import Sample
from recorder.sealing import Sealer
from recorder.spool import Spool
from recorder.take import Plan, Take
from recorder.wanted import Run

SECONDS = 12.0
NAP_SECONDS = 0.5
ROUNDS = 8
BLOCK_BYTES = 1 << 20
_STARTED = 1000.0


@dataclass(frozen=True, slots=True)
class _Came:
    after_seconds: float
    units: list[AccessUnit]


class _Clock:
    """Stands where the stream is."""

    seconds = _STARTED

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class _Replayed:
    """A session whose units came before; and a reader that hands them over at once, on the thread that asks."""

    def __init__(self, description: Description, came: list[_Came], clock: _Clock) -> None:
        self.description = description
        self.damaged = 0
        self.spent_seconds = 0.0
        self.socket, self._camera = socket.socketpair()
        self._came, self._clock = came, clock
        self._next = 0
        self._camera.send(b"the first keyframe")

    def feed(self, _: bytes) -> list[AccessUnit]:
        self._next += 1
        return self._came[self._next - 1].units

    def keep_alive(self, now: float) -> None:
        """Nobody listens."""

    def carry(self, line: Line) -> None:
        for each in self._came[self._next :]:
            self._clock.seconds = _STARTED + each.after_seconds
            began = time.thread_time()
            line.receive(b"", self._clock.seconds)
            self.spent_seconds += time.thread_time() - began

    def close(self) -> None:
        self.socket.close()
        self._camera.close()


async def muxing(folder: Path) -> list[Result]:
    """Watch one camera, and record what came again and again."""
    spec = CameraSpec(
        name="yard", audio=AudioCodec.AAC, width=1920, height=1080, fps=25, gop_frames=50, bitrate_bps=4_000_000
    )
    async with CameraSimulator([spec], port=0, cache=folder) as simulator:
        description, came = await asyncio.to_thread(_watched, simulator.url("yard"))
    rounds = [await asyncio.to_thread(_recorded, folder / f"spool-{n}", description, came) for n in range(ROUNDS)]
    return [Result("recorder.muxing", round(sorted(rounds)[ROUNDS // 2], 3), "ms/s")]


def _watched(url: str) -> tuple[Description, list[_Came]]:
    came: list[_Came] = []
    with closing(Session.open(url)) as session:
        began = time.monotonic()
        while (after := time.monotonic() - began) < SECONDS:
            time.sleep(NAP_SECONDS)
            select.select([session.socket], [], [], SECONDS)
            came.append(_Came(after, session.feed(session.socket.recv(BLOCK_BYTES))))
        first = next(n for n, each in enumerate(came) if any(unit.is_video and unit.is_keyframe for unit in each.units))
        return session.description, came[first:]


def _recorded(folder: Path, description: Description, came: list[_Came]) -> float:
    """CPU in milliseconds per second of the stream, of the thread that muxes."""
    clock, camera_id, sealer = _Clock(), uuid7(), Sealer()
    folder.mkdir()
    with closing(Spool.open(folder)) as spool, closing(_Replayed(description, came, clock)) as replayed:
        coverage = Coverage(camera_id, spool.gaps)
        journal = Journal(
            camera_id, spool, clock, sealer, coverage, lambda: None, ClockError(clock), Syncer(spool.sync)
        )
        day = timedelta(days=1)
        run = Run(camera_id, None, clock.now() - day, "Yard", clock.now() - day, clock.now() + day, 60)
        plan = Plan((run,), lambda run: run.start)
        stream = PlainStream(
            cast("Session", replayed), cast("Reader", replayed), SECONDS, lambda: True, on_playing=lambda: None
        )
        take = Take(journal, stream.tracks(AudioPolicy.COPY), clock.monotonic())
        stream.read(partial(_feed, take, plan), lambda: True)
        take.end(plan)
        sealer.close(60)
    return 1000 * replayed.spent_seconds / (came[-1].after_seconds - came[0].after_seconds)


def _feed(take: Take, plan: Plan, samples: Iterable[Sample], arrival: float) -> bool:
    for sample in samples:
        take.feed(sample, arrival, plan)
    return True
