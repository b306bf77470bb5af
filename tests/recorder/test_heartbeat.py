"""Signs of life: complete, regular, back at once after an outage."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

from camfleet_contract.chains import ChainHead
from camfleet_contract.heartbeats import Backlog, CameraCondition, CameraState, Disk, Problem
from recorder.backoff import Backoff
from recorder.clock import SystemClock
from recorder.clock_error import ClockError
from recorder.control_plane import ControlPlane
from recorder.heartbeat import EARLY, Heartbeats, Pace, Vitals
from tests.recorder.control_plane import FakeControlPlane
from tests.recorder.spooled import CAMERA, NOON
from tests.recorder.waiting import until

BOOT = UUID(int=3)
VITALS = Vitals(
    active_recordings=2,
    cameras=(CameraState(camera_id=CAMERA, condition=CameraCondition.RECORDING, since=NOON),),
    backlog=Backlog(segments=3, bytes=4000, oldest=NOON),
    disk=Disk(total_bytes=2**40, free_bytes=3 * 2**30),
    last_upload=NOON.isoformat(),
    upload_bytes_per_second=12.5,
    config_revision="abc",
    problems=(Problem(code="disk_missing", text="The data disk is not mounted.", since=NOON),),
    chain_heads=(
        ChainHead(
            camera_id=CAMERA,
            chain_id=BOOT,
            sequence=7,
            segment_id=BOOT,
            sha256="ab" * 32,
            link_sha256="cd" * 32,
            waiting_from=5,
        ),
    ),
)


@asynccontextmanager
async def beating(
    control_plane: ControlPlane,
    pokes: list[bool],
    interval: float,
    clock_error: ClockError | None = None,
    early: timedelta = EARLY,
) -> AsyncIterator[Heartbeats]:
    heartbeats = Heartbeats(
        control_plane,
        lambda: VITALS,
        clock=SystemClock(),
        clock_error=clock_error or ClockError(SystemClock()),
        interval=timedelta(seconds=interval),
        version="1.2.3",
        boot_id=BOOT,
        on_config_changed=lambda: pokes.append(True),
        backoff=Backoff(timedelta(milliseconds=1), timedelta(milliseconds=20)),
        early=early,
    )
    task = asyncio.create_task(heartbeats.run())
    try:
        yield heartbeats
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_heartbeat_tells_everything(fake: FakeControlPlane, control_plane: ControlPlane) -> None:
    clock_error = ClockError(SystemClock())
    async with beating(control_plane, [], 3600, clock_error):
        await fake.until(lambda: bool(fake.heartbeats))
        await until(lambda: clock_error.now() is not None)
    told = fake.heartbeats[0]
    assert (told.active_recordings, told.available_space_gb, told.config_revision) == (2, 3.0, "abc")
    assert (told.backlog, told.disk, told.cameras) == (VITALS.backlog, VITALS.disk, list(VITALS.cameras))
    assert (told.version, told.boot_id, told.sequence) == ("1.2.3", BOOT, 1)
    assert told.system_info is not None
    assert {"platform", "python_version", "cpu_count"} <= told.system_info.keys()
    assert told.problems == list(VITALS.problems)
    assert told.chain_heads == list(VITALS.chain_heads)
    assert abs(clock_error.now() or timedelta.max) < timedelta(seconds=5)


async def test_a_changed_configuration_is_passed_on(fake: FakeControlPlane, control_plane: ControlPlane) -> None:
    fake.config_changed = True
    pokes: list[bool] = []
    async with beating(control_plane, pokes, 3600):
        await until(lambda: bool(pokes))


async def test_it_is_back_soon_after_an_outage_although_the_interval_is_long(
    fake: FakeControlPlane, control_plane: ControlPlane
) -> None:
    fake.down = 502
    async with beating(control_plane, [], 3600):
        await fake.until(lambda: len(fake.calls) >= 3)
        fake.down = 0
        await fake.until(lambda: bool(fake.heartbeats))


async def test_the_sequence_counts(fake: FakeControlPlane, control_plane: ControlPlane) -> None:
    async with beating(control_plane, [], 0.01):
        await fake.until(lambda: len(fake.heartbeats) >= 3)
    assert [told.sequence for told in fake.heartbeats[:3]] == [1, 2, 3]


async def test_news_go_out_long_before_the_next_heartbeat_is_due(
    fake: FakeControlPlane, control_plane: ControlPlane
) -> None:
    async with beating(control_plane, [], 3600, early=timedelta(milliseconds=20)) as heartbeats:
        await fake.until(lambda: len(fake.heartbeats) == 1)
        heartbeats.soon()
        await fake.until(lambda: len(fake.heartbeats) == 2)


async def test_news_without_end_are_told_less_and_less_often(
    fake: FakeControlPlane, control_plane: ControlPlane
) -> None:
    began = time.monotonic()
    async with beating(control_plane, [], 3600, early=timedelta(milliseconds=10)) as heartbeats:
        for count in range(1, 9):
            await fake.until(lambda count=count: len(fake.heartbeats) >= count)
            heartbeats.soon()
    # 10 ms before the first early one, 20 before the next, ... 640 before the seventh.
    assert time.monotonic() - began >= 1.27


def test_the_pace_falls_to_that_of_regular_heartbeats_and_recovers_when_all_is_quiet() -> None:
    pace = Pace(timedelta(seconds=5), timedelta(seconds=60))
    distances = []
    for _ in range(6):
        distances.append(pace.distance.total_seconds())
        pace.hurried()
    assert distances == [5, 10, 20, 40, 60, 60]
    pace.rested()
    assert pace.distance == timedelta(seconds=5)
    assert Pace(timedelta(seconds=5), timedelta(seconds=1)).distance == timedelta(seconds=1)
