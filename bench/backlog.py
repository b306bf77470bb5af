"""How a backlog drains once the control plane is back: how fast, in which order, and what it costs both sides."""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

from bench.processes import cost_of
from bench.results import Result, compared, limited
from recorder.settings import UploadOrder
from trials.backlog import Footage, Waiting, fill
from trials.bucket import generations
from trials.mortal_site import CAMERAS, MortalSite, Way, open_mortal_site
from trials.receipts import rows

SEGMENTS = 5760
"""Two cameras for 48 hours, a minute each."""
SEGMENT_SECONDS = 60.0
LIMIT_KBIT = 16_000
"""The line. Segments are of 40 kB here, not of 30 MB: some fifty a second go through it."""
HEARTBEAT_SECONDS = 5
LINE_GOAL, REQUESTS_GOAL, WRITES_GOAL, TRANSACTIONS_GOAL, MEMORY_GOAL = 0.9, 0.5, 5.0, 1.5, 1.25
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in it
_LOOK_SECONDS = 0.25
_WAITING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """What one PostgreSQL database has done."""

    transactions: int
    written_rows: int
    footage_rows: int


@dataclass(frozen=True, slots=True)
class Drain:
    """One drain, measured. Counts are for each segment."""

    segments: int
    seconds: float
    """From the first segment that is proven to the last."""
    line_share: float
    """Of what the limit lets through in that time."""
    requests: float
    """Calls with offers."""
    transactions: float
    written_rows: float
    """Inserted, updated and deleted, in all tables: heartbeats and background work are among them."""
    footage_rows: float
    """The same in the tables of segments and upload sessions."""
    waiting_bytes: int
    """The recorder's memory with everything waiting and nothing going."""
    worst_bytes: int
    """While it drains."""
    heartbeat_seconds: float
    """The longest between two heartbeats that the control plane answered."""
    apart: int
    """By how many segments the cameras were apart at most."""
    strays: list[str]
    """What was uploaded out of its turn."""


async def backlog(folder: Path) -> list[Result]:
    """Two days."""
    in_memory = _MEMORY if await asyncio.to_thread(_MEMORY.is_dir) else folder
    with tempfile.TemporaryDirectory(dir=in_memory) as ground:
        drain = await measured(Path(ground), SEGMENTS, LIMIT_KBIT, UploadOrder.NEWEST)
    name, share = "upload.backlog", round(drain.line_share, 3)
    line = LIMIT_KBIT / 1000
    return [
        Result(f"{name}.line", round(share * line, 2), "Mbit/s", line, share, LINE_GOAL, holds=share >= LINE_GOAL),
        Result(f"{name}.segments", round(drain.segments / drain.seconds, 1), "/s"),
        limited(f"{name}.requests", drain.requests, "/segment", REQUESTS_GOAL),
        limited(f"{name}.transactions", drain.transactions, "/segment", TRANSACTIONS_GOAL),
        limited(f"{name}.written_rows", drain.written_rows, "/segment", WRITES_GOAL),
        compared(f"{name}.memory", drain.worst_bytes / 1e6, "MB", drain.waiting_bytes / 1e6, MEMORY_GOAL),
        limited(f"{name}.heartbeats", drain.heartbeat_seconds, "s", 2 * HEARTBEAT_SECONDS, HEARTBEAT_SECONDS),
        limited(f"{name}.out_of_turn", len(drain.strays), "segments", 0),
    ]


async def measured(folder: Path, segments: int, limit_kbit: int, order: UploadOrder) -> Drain:
    """A recorder that had no control plane while all these segments were sealed gets it back. Brokered."""
    env = {
        "UPLOAD_LIMIT_KBIT": str(limit_kbit),
        "UPLOAD_ORDER": order,
        "HEARTBEAT_INTERVAL_SECONDS": str(HEARTBEAT_SECONDS),
    }
    async with open_mortal_site(folder, Way.BROKERED, env) as site:
        since = datetime.now(UTC) - timedelta(seconds=SEGMENT_SECONDS * (segments // CAMERAS + 2))
        footage = Footage(segments, since, SEGMENT_SECONDS, packets=(1,))
        chance = random.Random(segments)  # noqa: S311 - nothing secret
        waiting = await asyncio.to_thread(fill, site.base, site.cameras, footage, chance)
        await site.control_plane.stop()
        before = await _work(site)
        await site.recorder.start()
        kept = await _settled(site)
        await site.control_plane.start()
        seconds, counted, worst, apart = await _drained(site, waiting)
        done = await _work(site)
        await site.recorder.stop()
        await site.control_plane.stop()
        calls = _calls(folder / "control-plane.log")
        beats = calls["/v0/api/local-client/heartbeat"]
        return Drain(
            segments,
            seconds,
            counted * 8 / 1000 / seconds / limit_kbit,
            len(calls["/v0/api/local-client/segments/offer"]) / segments,
            (done.transactions - before.transactions) / segments,
            (done.written_rows - before.written_rows) / segments,
            (done.footage_rows - before.footage_rows) / segments,
            kept,
            worst,
            max((later - earlier).total_seconds() for earlier, later in pairwise(beats)) if len(beats) > 1 else 0.0,
            apart,
            out_of_turn(waiting, generations(folder / "bucket"), newest_first=order is UploadOrder.NEWEST),
        )


async def _settled(site: MortalSite) -> int:
    """The recorder's memory once it no longer grows, with all that waits."""
    until, last = time.monotonic() + _WAITING_SECONDS, 0
    while time.monotonic() < until:
        await asyncio.sleep(2)
        found = cost_of([site.recorder.pid]).memory_bytes
        if found <= last * 1.01:
            return found
        last = found
    return last


async def _drained(site: MortalSite, waiting: Sequence[Waiting]) -> tuple[float, int, int, int]:
    """Seconds from the first proof to the last, the bytes between, the most memory, how far the cameras were apart.

    A segment whose file is gone is proven. Nobody else asks the database meanwhile: its work is counted.
    """
    left, gone = list(waiting), dict.fromkeys(site.cameras, 0)
    begun, already, worst, apart = 0.0, 0, 0, 0
    while left:
        await asyncio.sleep(_LOOK_SECONDS)
        site.recorder.raise_if_ended()
        site.control_plane.raise_if_ended()
        still = await asyncio.to_thread(_there, left)
        for one in left:
            gone[one.camera_id] += one.id not in still
        if not begun and len(still) < len(left):
            begun, already = time.monotonic(), await asyncio.to_thread(_arrived, site)
        left = [one for one in left if one.id in still]
        apart = max(apart, max(gone.values()) - min(gone.values()))
        worst = max(worst, cost_of([site.recorder.pid]).memory_bytes)
    return time.monotonic() - begun, sum(one.size_bytes for one in waiting) - already, worst, apart


def _there(waiting: Sequence[Waiting]) -> set[UUID]:
    return {one.id for one in waiting if one.file.exists()}


def _arrived(site: MortalSite) -> int:
    return sum(file.stat().st_size for file in site.objects.rglob("*.mp4") if not file.name.startswith("."))


def out_of_turn(waiting: Sequence[Waiting], made: dict[str, int], *, newest_first: bool, slack: int = 16) -> list[str]:
    """Which objects came before others of their camera that were due; `slack`: sessions that were opened ahead.

    With the oldest first, a camera's newest may go, too.
    """
    places = {name.rsplit("_", 1)[1].removesuffix(".mp4"): generation for name, generation in made.items()}
    found = []
    for camera in {one.camera_id for one in waiting}:
        line = sorted((one for one in waiting if one.camera_id == camera), key=lambda one: one.start)
        left: list[UUID] = [one.id for one in line]
        for segment in sorted(line, key=lambda one: places[str(one.id)]):
            place = left.index(segment.id)
            newer = len(left) - 1 - place
            if min(newer, newer if newest_first else place) > slack:
                found.append(f"{segment.id}: {place} older and {newer} newer ones were left")
            left.remove(segment.id)
    return found


async def _work(site: MortalSite) -> Work:
    # What a backend has counted is told when it ends, or a second after its last transaction.
    await asyncio.sleep(2)
    query = """
        SELECT xact_commit, tup_inserted + tup_updated + tup_deleted AS written, (
            SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables
            WHERE relname ~ '^(segments|upload_sessions)'
        ) AS footage FROM pg_stat_database WHERE datname = current_database()
    """
    (found,) = await rows(site.url, query)
    return Work(found["xact_commit"], found["written"], int(found["footage"]))


def _calls(log: Path) -> dict[str, list[datetime]]:
    """When which path was called, by the control plane's log."""
    found: dict[str, list[datetime]] = {}
    for line in log.read_text().splitlines():
        if line.startswith("{") and (said := json.loads(line)).get("event") == "request":
            found.setdefault(said["path"], []).append(datetime.fromisoformat(said["timestamp"]))
    return {path: found.get(path, []) for path in {*found, *_PATHS}}


_PATHS = ("/v0/api/local-client/heartbeat", "/v0/api/local-client/segments/offer")
