"""Uploads through faults at random: `python -m tests.recorder.upload_faults [SEQUENCES] [SEED]`.

Each sequence is one segment whose requests fail in ways and at steps that the seed and the segment's number decide. The
real upload workers bring them, several at a time, are stopped and started anew on the way, and have to end with every
object stored once, whatever the server did.
"""

import asyncio
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import structlog
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from recorder.backoff import Backoff
from recorder.clock import SystemClock
from recorder.control_plane import ControlPlane, connected
from recorder.link import Link
from recorder.offers import Offers, name_of
from recorder.reports import Reports
from recorder.spool import Segment, SegmentState, Spool
from recorder.storage.brokered import Brokered
from recorder.storage.gcs import Bucket
from recorder.storage.interface import Storage
from recorder.storage.patience import Patience
from recorder.turns import Turns
from recorder.uplink import Uplink
from recorder.uploads import Uploads
from recorder.vault import Vault
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.gcs import UNIT, Gcs, gcs_server
from tests.recorder.gcs_faults import FaultKind, Step, drawn
from tests.recorder.serving import serving
from tests.recorder.spooled import begun, sealed
from tests.recorder.waiting import LIMIT_SECONDS

QUICK = Backoff(timedelta(milliseconds=1), timedelta(milliseconds=10))
PATIENCE = Patience(attempts=4, backoff=QUICK, silence=timedelta(seconds=0.3))
CHUNK_BYTES = 2 * UNIT
TICK = timedelta(milliseconds=20)
PARALLEL = 8


@dataclass
class Outcome:
    """What became of the sequences."""

    seed: int
    sequences: int
    wrong: list[str] = field(default_factory=list)
    """Objects that are not there, or are others than what was recorded; and what the server objects to."""
    sent_too_often: list[str] = field(default_factory=list)
    injected: Counter[tuple[Step, FaultKind]] = field(default_factory=Counter)
    restarts: int = 0
    bytes_recorded: int = 0
    bytes_sent: int = 0
    bytes_lost: int = 0
    """Sent in chunks that a fault cut or refused."""

    def __str__(self) -> str:
        again = 100 * (self.bytes_sent / self.bytes_recorded - 1)
        lost = 100 * self.bytes_lost / self.bytes_recorded
        return (
            f"seed {self.seed}: {self.sequences} sequences, {self.injected.total()} faults of {len(self.injected)} "
            f"kinds at {len({step for step, _ in self.injected})} steps, {self.restarts} restarts; "
            f"sent again {again:.1f} %, lost to faults {lost:.1f} %; "
            f"{len(self.wrong)} wrong, {len(self.sent_too_often)} sent too often"
        )


class _Progress:
    """Told when something was brought."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def __call__(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


async def run(folder: Path, sequences: int, seed: int, *, is_brokered: bool) -> Outcome:
    """Until everything is stored; a brokered recorder's segments until they are proven, too."""
    rng = random.Random(f"{seed}-{is_brokered}")
    outcome = Outcome(seed, sequences)
    wanted = SegmentState.STORED if is_brokered else SegmentState.UPLOADED
    async with AsyncExitStack() as stack:
        gcs = await stack.enter_async_context(gcs_server())
        gcs.needs_token = gcs.keeps_bodies = False
        client = await stack.enter_async_context(httpx.AsyncClient())
        spool = stack.enter_context(closing(Spool.open(folder)))
        fake = FakeControlPlane(gcs=gcs)
        address = await stack.enter_async_context(serving(fake.app()))
        control_plane = await stack.enter_async_context(connected(address, SecretStr(TOKEN), Link(SystemClock().now)))
        segments = await asyncio.to_thread(_planned, spool, gcs, rng, sequences, is_brokered=is_brokered)

        def left() -> int:
            return sequences - spool.segments.counts()[wanted]

        while remaining := left():
            goal = max(0, remaining - rng.randint(1, max(2, sequences // 5)))
            store: Storage = (
                Brokered(client, chunk_bytes=CHUNK_BYTES, patience=PATIENCE)
                if is_brokered
                else Bucket(client, gcs.bucket, None, chunk_bytes=CHUNK_BYTES, patience=PATIENCE, api_root=gcs.root)
            )
            async with _uploading(spool, store, control_plane if is_brokered else None) as progress:
                await progress.until(lambda goal=goal: left() <= goal)  # type: ignore[misc]
            await store.close()
            outcome.restarts += 1
        _judge(outcome, gcs, segments)
    return outcome


def _planned(spool: Spool, gcs: Gcs, rng: random.Random, count: int, *, is_brokered: bool) -> list[Segment]:
    segments = []
    recordings = [begun(spool, uuid7()) for _ in range(4)]
    for number in range(count):
        size = rng.choice((rng.randint(1, UNIT), rng.randint(1, 6 * UNIT), rng.randint(1, 6) * UNIT))
        segment = sealed(spool, recordings[number % 4], size=size)
        plan = drawn(rng, spool.segments.file(segment).read_bytes())
        if is_brokered:  # it opens no sessions and reads no metadata: the control plane does
            plan.faults.pop(Step.OPEN, None)
            plan.faults.pop(Step.METADATA, None)
        gcs.plans[name_of(segment)] = plan
        segments.append(segment)
    return segments


@asynccontextmanager
async def _uploading(spool: Spool, store: Storage, control_plane: ControlPlane | None) -> AsyncIterator[_Progress]:
    """The recorder's own workers, cancelled in the middle of whatever they do."""
    progress, clock, vault = _Progress(), SystemClock(), Vault(SecretStr(TOKEN))
    uplink = Uplink(clock)
    turns = Turns(spool, uplink, clock=clock, newest_first=True)
    uploads = Uploads(
        spool,
        store,
        vault,
        clock=clock,
        uplink=uplink,
        turns=turns,
        parallel=PARALLEL,
        ahead=4 * PARALLEL,
        on_uploaded=progress,
        backoff=QUICK,
        poll=TICK,
    )
    tasks = [asyncio.create_task(uploads.run())]
    if control_plane is not None:
        offers = Offers(
            control_plane,
            spool,
            vault,
            clock=clock,
            next_up=partial(turns.upcoming, 4 * PARALLEL),
            newest_first=True,
            on_session=uploads.wake,
            on_stored=progress,
        )
        tasks.append(asyncio.create_task(Reports(control_plane, spool, offers, clock=clock, poll=TICK).run()))
    try:
        yield progress
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _judge(outcome: Outcome, gcs: Gcs, segments: list[Segment]) -> None:
    outcome.wrong += gcs.violations
    gcs.violations.clear()  # they are told in the outcome
    for segment in segments:
        assert segment.sealed is not None
        stored = gcs.objects.get(name_of(segment), {})
        if (stored.get("crc32c"), stored.get("size")) != (segment.sealed.crc32c, str(segment.sealed.size_bytes)):
            outcome.wrong.append(f"{segment.id}: {stored}")
        outcome.bytes_recorded += segment.sealed.size_bytes
    if len(gcs.objects) != len(segments):
        outcome.wrong.append(f"{len(gcs.objects)} objects of {len(segments)} segments")
    if stored_twice := [name for name, count in gcs.stored.items() if count != 1]:
        outcome.wrong.append(f"stored more than once: {stored_twice}")
    sizes = {name_of(segment): segment.sealed.size_bytes for segment in segments if segment.sealed}
    for session in gcs.sessions.values():
        outcome.bytes_sent += session.sent_bytes
        outcome.bytes_lost += session.lost_bytes
        if session.sent_bytes > sizes[session.name] + CHUNK_BYTES * session.broken:
            outcome.sent_too_often.append(f"{session.name}: {session.history}")
    outcome.injected += gcs.injected


async def _main(sequences: int, seed: int) -> bool:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    is_well = True
    for is_brokered in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            begun_at = time.monotonic()
            outcome = await run(Path(folder), sequences, seed, is_brokered=is_brokered)
        sys.stdout.write(f"{'brokered' if is_brokered else 'direct'}: {outcome}; {time.monotonic() - begun_at:.1f} s\n")
        for what in (*outcome.wrong, *outcome.sent_too_often):
            sys.stdout.write(f"  {what}\n")
            is_well = False
    return is_well


if __name__ == "__main__":
    told = [int(argument) for argument in sys.argv[1:]]
    well = asyncio.run(_main(told[0] if told else 500, told[1] if told[1:] else random.randrange(2**32)))
    sys.exit(0 if well else 1)
