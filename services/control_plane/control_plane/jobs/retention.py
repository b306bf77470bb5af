"""Retention as background work: a tick finds the cameras that have old footage, and each of them is a job."""

import uuid
from datetime import UTC, datetime, timedelta

import structlog
from procrastinate import App
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.types import TimeDeltaParams

from control_plane.recordings.object_holds import settle_holds
from control_plane.recordings.retention import cameras_with_old_footage, delete_old_footage
from control_plane.services import Services
from control_plane.stores import StoreUnavailableError

log = structlog.get_logger()

RETENTION_OF_CAMERA = "retention_of_camera"
_ASK_AGAIN_AFTER = timedelta(hours=1)


async def plan_retention(queue: App, services: Services) -> None:
    """Put a job into the queue for each camera that needs one and has none waiting."""
    async with services.sessions() as session:
        cameras = await cameras_with_old_footage(
            session, services.store.url, services.settings.retention_days, datetime.now(UTC)
        )
    for camera_id in cameras:
        await defer_retention(queue, camera_id)


async def defer_retention(queue: App, camera_id: uuid.UUID, later: timedelta | None = None) -> None:
    """One camera's retention, unless it waits already; never two of one camera at once."""
    key = f"{RETENTION_OF_CAMERA}:{camera_id}"
    # While one waits for its time, the ticks add none.
    when: TimeDeltaParams | None = {"seconds": int(later.total_seconds())} if later else None
    try:
        await queue.configure_task(RETENTION_OF_CAMERA, lock=key, queueing_lock=key, schedule_in=when).defer_async(
            camera_id=str(camera_id)
        )
    except AlreadyEnqueued:
        log.debug("retention_waits_already", camera_id=str(camera_id))


async def keep_to_retention(queue: App, services: Services, camera_id: uuid.UUID) -> None:
    """Delete one camera's old footage. A store that is away postpones it to the next tick.

    A store that keeps some of it is asked again in an hour.
    """
    try:
        deleted = await delete_old_footage(
            services.sessions, services.store, camera_id, services.settings.retention_days, datetime.now(UTC)
        )
    except StoreUnavailableError as error:
        log.warning("retention_postponed", camera_id=str(camera_id), reason=str(error))
        return
    if deleted.kept_by_the_store:
        await defer_retention(queue, camera_id, _ASK_AGAIN_AFTER)
    if deleted.segments:
        log.info("footage_deleted", camera_id=str(camera_id), segments=deleted.segments, bytes=deleted.size_bytes)


async def settle_object_holds(_queue: App, services: Services) -> None:
    """Give the bucket's own holds to what is held. A bucket that refuses postpones it."""
    try:
        await settle_holds(services.sessions, services.store)
    except StoreUnavailableError as error:
        log.warning("object_holds_postponed", reason=str(error))
