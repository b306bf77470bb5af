"""A recorder's cameras run against simulated ones, watched until something holds."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

from uuid_utils.compat import uuid7

from camfleet_contract.cameras import Camera
from camfleet_contract.configuration import ConfiguredCamera, RecorderConfig, Schedule
from camfleet_contract.schedules import ScheduleType
from recorder.cameras import Cameras
from recorder.coverage import SMALLEST
from recorder.spool import Segment, SegmentState, Spool


def camera(url: str, name: str = "Yard", camera_id: UUID | None = None) -> Camera:
    return Camera(id=camera_id or uuid7(), name=name, rtsp_url=url)


def always(camera: Camera, segment_seconds: int = 2) -> Schedule:
    return Schedule(
        id=uuid7(),
        name="Always",
        schedule_type=ScheduleType.CONTINUOUS,
        start_time=time(0),
        end_time=time(0),
        camera=camera,
        segment_seconds=segment_seconds,
    )


def once(camera: Camera, start: datetime, end: datetime, segment_seconds: int = 60) -> Schedule:
    """Whole seconds, as the wire has them."""
    return Schedule(
        id=uuid7(),
        name="Once",
        schedule_type=ScheduleType.ONCE,
        start_date=start.date(),
        end_date=end.date(),
        start_time=start.time(),
        end_time=end.time(),
        camera=camera,
        segment_seconds=segment_seconds,
    )


def config(*schedules: Schedule, cameras: tuple[Camera, ...] = ()) -> RecorderConfig:
    listed = {camera.id: _configured(camera) for camera in (*(schedule.camera for schedule in schedules), *cameras)}
    return RecorderConfig(
        revision="1", client_id=uuid7(), client_name="Box", cameras=list(listed.values()), schedules=list(schedules)
    )


def _configured(camera: Camera) -> ConfiguredCamera:
    if isinstance(camera, ConfiguredCamera):
        return camera
    return ConfiguredCamera(**{name: getattr(camera, name) for name in Camera.model_fields})


def whole_second(ahead: float) -> datetime:
    return (datetime.now(UTC) + timedelta(seconds=ahead)).replace(microsecond=0)


@asynccontextmanager
async def running(cameras: Cameras) -> AsyncIterator[None]:
    task = asyncio.create_task(cameras.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def sealed(spool: Spool) -> list[Segment]:
    return spool.segments.in_state(SegmentState.SEALED)


def assert_all_time_is_told(spool: Spool, camera_id: UUID, known: datetime, ended: datetime) -> None:
    """Each moment is footage or a gap, and never both, from when the schedule was first seen: soon after `known`."""
    footage = [(s.sealed.start, s.sealed.end) for s in sealed(spool) if s.sealed and s.camera_id == camera_id]
    gaps = [(gap.start, gap.end) for gap in spool.gaps.to_report(ended) if gap.camera_id == camera_id]
    told = sorted(footage + gaps)
    assert known <= told[0][0] < known + timedelta(seconds=60)
    for (_, reached), (start, _) in pairwise(told):
        assert start - reached < SMALLEST, f"nobody tells of {reached} to {start}"
        assert reached - start < SMALLEST, f"{start} to {reached} is told twice"
