"""`lists.*`: the operators' lists and coverage on databases of 10^4, 10^6 and 10^7 segments: as fast on each."""

import contextlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import structlog

from bench.results import Result, compared
from bench.years_of_footage import Asked, asking, copied, fill, p95, server
from control_plane.coverage.keeping import keep_days

SIZES = (10_000, 1_000_000, 10_000_000)
CAMERAS = 100
FLAT = 1.3
"""So much of the smallest one's time the p95 may be: two runs on the same database differ by as much."""
_ROUNDS = 60
_WARM_UP = 5

LISTS = (
    "recordings",
    "recordings_next_page",
    "recordings_of_camera",
    "recordings_of_site",
    "recording",
    "segments_of_recording",
    "coverage_of_camera",
    "coverage_of_fleet",
)

Call = tuple[str, dict[str, Any]]


async def lists(folder: Path, sizes: Sequence[int] = SIZES, rounds: int = _ROUNDS) -> list[Result]:
    """The 95th percentile of each list on the larger databases, beside that on the smallest."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with server(folder) as postgres, contextlib.AsyncExitStack() as stack:
        databases = [await copied(postgres, f"segments_{size}") for size in sizes]
        for database, size in zip(databases, sizes, strict=True):
            await fill(database, cameras=CAMERAS, segments=size)
        asked = [await stack.enter_async_context(asking(database, folder)) for database in databases]
        for one in asked:
            await _keep(one)
        calls = [await _calls(one) for one in asked]
        measured: list[Result] = []
        for name in LISTS:
            seconds = await _in_turn(asked, [its[name] for its in calls], rounds)
            smallest = p95(seconds[0])
            measured += [
                compared(f"lists.{name}.{size}", p95(its), "ms", smallest, FLAT)
                for size, its in zip(sizes[1:], seconds[1:], strict=True)
            ]
        return measured


async def _keep(asked: Asked) -> None:
    """The background job, as long as it has to do for the last days and a week before."""
    for _ in range(10):
        await keep_days(asked.services.sessions, datetime.now(UTC))


async def _calls(asked: Asked) -> dict[str, Call]:
    """The same questions to each database, about what is there."""
    _, cameras = await asked.seconds("cameras/", limit=200)
    camera = cameras["items"][len(cameras["items"]) // 2]
    _, page = await asked.seconds("recordings/", limit=50)
    recording = page["items"][0]["id"]
    today = datetime.now(UTC).date()
    week = {"first_day": today - timedelta(days=10), "last_day": today - timedelta(days=2)}
    return {
        "recordings": ("recordings/", {}),
        "recordings_next_page": ("recordings/", {"cursor": page["next_cursor"]}),
        "recordings_of_camera": ("recordings/", {"camera_id": camera["id"]}),
        "recordings_of_site": ("recordings/", {"site_id": camera["site_id"], "limit": 10}),
        "recording": (f"recordings/{recording}/", {}),
        "segments_of_recording": (f"recordings/{recording}/segments/", {}),
        "coverage_of_camera": ("coverage/", {"camera_id": camera["id"]} | week),
        "coverage_of_fleet": ("coverage/total/", week),
    }


async def _in_turn(asked: Sequence[Asked], calls: Sequence[Call], rounds: int) -> list[list[float]]:
    """One call of each, again and again: what else the machine does slows all of them."""
    seconds: list[list[float]] = [[] for _ in asked]
    for turn in range(_WARM_UP + rounds):
        for one, (path, parameters), its in zip(asked, calls, seconds, strict=True):
            took, _ = await one.seconds(path, **parameters)
            if turn >= _WARM_UP:
                its.append(took)
    return seconds
