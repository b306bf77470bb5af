"""What a recorder is told: its cameras and schedules, read from the database in one statement."""

import asyncio
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import structlog
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import and_, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from camfleet_contract.cameras import Camera, RecordingMode
from camfleet_contract.commands import Command
from camfleet_contract.configuration import ConfiguredCamera, RecorderConfig, Schedule, Storage, StorageMode
from camfleet_contract.uploading import Fetch, Uploading, read_hours
from control_plane import models
from control_plane.commands.telling import as_told, open_commands
from control_plane.errors import Unauthorized, Unavailable
from control_plane.fleet.cameras import camera_stream_url, camera_sub_stream_url, secret_columns
from control_plane.recordings.fetches import open_fetches
from control_plane.recordings.holds import held_recordings
from control_plane.security.secrets import SecretBox, SecretUnreadableError
from control_plane.stores import Store

log = structlog.get_logger()

_Row = tuple[
    models.Client,
    str,
    str,
    models.Camera | None,
    models.Schedule | None,
    list[uuid.UUID] | None,
    list[dict[str, object]] | None,
    list[dict[str, object]] | None,
]

_CAMERAS = TypeAdapter(Sequence[Camera])
_SCHEDULES = TypeAdapter(list[Schedule])


@dataclass(frozen=True, slots=True)
class Assigned:
    """What is assigned to one recorder at one moment, newest first."""

    client_id: uuid.UUID
    client_name: str
    timezone: str
    cameras: list[ConfiguredCamera]
    schedules: list[Schedule]
    held_recordings: list[uuid.UUID]
    uploading: Uploading
    commands: list[Command]

    def cameras_json(self) -> bytes:
        """The body of `GET cameras`: what predecessor clients know of a camera, and nothing else."""
        return _CAMERAS.dump_json(self.cameras)

    def schedules_json(self) -> bytes:
        """The body of `GET schedules`."""
        return _SCHEDULES.dump_json(self.schedules)

    def config(self, store: Store) -> RecorderConfig:
        """The document of `GET config`. Its revision is a checksum of all the rest."""
        mode = StorageMode.BROKERED if store.is_brokered else StorageMode.DIRECT
        document = RecorderConfig(
            revision="",
            client_id=self.client_id,
            client_name=self.client_name,
            timezone=self.timezone,
            cameras=self.cameras,
            schedules=self.schedules,
            storage=Storage(mode=mode, url=store.url),
            held_recordings=self.held_recordings,
            uploading=self.uploading,
            commands=self.commands,
        )
        revision = hashlib.sha256(document.model_dump_json().encode()).hexdigest()
        return document.model_copy(update={"revision": revision})


async def read_config(session: AsyncSession, secrets: SecretBox, store: Store, client_id: uuid.UUID) -> RecorderConfig:
    """The whole document. Raises as `read_assigned`."""
    return (await read_assigned(session, secrets, client_id)).config(store)


async def read_assigned(session: AsyncSession, secrets: SecretBox, client_id: uuid.UUID) -> Assigned:
    """What is assigned to the client, consistent, since it is one statement's snapshot.

    Raise Unavailable if a camera's secret can't be decrypted. Leaving that camera out would be worse: a recorder takes
    the list as the whole truth and stops what is missing, although it still has good credentials for it; with the
    usual cause, a key lost from SECRET_KEYS, that would stop all cameras everywhere. A 503 keeps recorders on what they
    have, and says loudly which camera is to be saved anew.
    """
    camera_site = aliased(models.Site)
    query = (
        select(
            models.Client,
            models.Site.timezone,
            camera_site.timezone,
            models.Camera,
            models.Schedule,
            # In the first row only: a thousand rows times a thousand ids would be megabytes.
            case((func.row_number().over() == 1, held_recordings(client_id))),
            case((func.row_number().over() == 1, open_fetches(client_id))),
            case((func.row_number().over() == 1, open_commands(client_id))),
        )
        .join(models.Site, models.Site.id == models.Client.site_id)
        .outerjoin(models.ClientCamera, models.ClientCamera.client_id == models.Client.id)
        .outerjoin(
            models.Camera,
            and_(
                models.Camera.id == models.ClientCamera.camera_id,
                models.Camera.is_active,
                models.Camera.recording_mode == RecordingMode.LOCAL_CLIENT,
            ),
        )
        .outerjoin(camera_site, camera_site.id == models.Camera.site_id)
        .outerjoin(models.Schedule, and_(models.Schedule.camera_id == models.Camera.id, models.Schedule.is_active))
        .where(models.Client.id == client_id, models.Client.is_active)
        .options(*secret_columns())
    )
    # SQLAlchemy's types don't know that an outer join brings None.
    rows = cast("Sequence[_Row]", (await session.execute(query)).all())
    if not rows:
        raise Unauthorized("this client was deleted or deactivated")
    cameras: dict[uuid.UUID, tuple[models.Camera, ConfiguredCamera]] = {}
    schedules: list[tuple[models.Schedule, Schedule]] = []
    for number, (_, _, zone, camera, schedule, *_) in enumerate(rows):
        if camera is None:
            continue
        if number % 100 == 0:
            await asyncio.sleep(0)  # a thousand cameras' secrets take a tenth of a second: let others in between
        if camera.id not in cameras:
            cameras[camera.id] = camera, _as_camera(camera, secrets)
        if schedule is not None and (shown := _as_schedule(schedule, cameras[camera.id][1], zone)):
            schedules.append((schedule, shown))
    return Assigned(
        client_id=client_id,
        client_name=rows[0][0].name,
        timezone=rows[0][1],
        cameras=[shown for _, shown in sorted(cameras.values(), key=_age, reverse=True)],
        schedules=[shown for _, shown in sorted(schedules, key=_age, reverse=True)],
        held_recordings=next((sorted(row[5]) for row in rows if row[5] is not None), []),
        uploading=_as_uploading(rows[0][0], next((row[6] for row in rows if row[6] is not None), [])),
        commands=as_told(next((row[7] for row in rows if row[7] is not None), []), secrets),
    )


def _age(pair: tuple[models.Camera | models.Schedule, object]) -> tuple[object, ...]:
    row, _ = pair
    return row.created_at, row.id


def _as_uploading(client: models.Client, fetches: Sequence[dict[str, object]]) -> Uploading:
    asked = sorted((Fetch.model_validate(fetch) for fetch in fetches), key=lambda fetch: fetch.id)
    try:
        hours = read_hours(", ".join(client.upload_hours))
    except ValueError:
        # Written past the console and the API: the recorder must get all the rest.
        log.error("upload_hours_unreadable", client_id=str(client.id))  # noqa: TRY400 - a traceback says no more
        hours = []
    return Uploading(limit_kbit=client.upload_limit_kbit, hours=hours, fetches=asked)


def _as_camera(camera: models.Camera, secrets: SecretBox) -> ConfiguredCamera:
    try:
        return ConfiguredCamera(
            id=camera.id,
            name=camera.name,
            ip_address=camera.ip_address,
            rtsp_url=camera_stream_url(camera, secrets),
            rtsp_url_sub=camera_sub_stream_url(camera, secrets),
            camera_type=camera.camera_type,
            location=camera.location,
            record_quality=camera.record_quality,
            rtsp_transport=camera.rtsp_transport,
            recorded_stream=camera.recorded_stream,
        )
    except SecretUnreadableError:
        log.error("camera_secret_unreadable", camera_id=str(camera.id))  # noqa: TRY400 - a traceback says no more
        raise Unavailable(
            f"the credentials of camera {camera.id} can't be decrypted: "
            "add the key they were saved with to SECRET_KEYS, or save the camera's password anew",
            retry_after_seconds=30,
        ) from None


def _as_schedule(schedule: models.Schedule, camera: Camera, zone: str) -> Schedule | None:
    try:
        return Schedule(
            id=schedule.id,
            name=schedule.name,
            schedule_type=schedule.schedule_type,
            start_time=schedule.start_time,
            end_time=schedule.end_time,
            start_date=schedule.start_date,
            end_date=schedule.end_date,
            days_of_week=schedule.days_of_week,
            is_active=schedule.is_active,
            camera=camera,
            timezone=zone,
            updated_at=schedule.updated_at,
            segment_seconds=schedule.segment_seconds,
        )
    except ValidationError as error:
        # Written past the console and the API; a recorder could not read it either, and must still get the others.
        fields = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        log.error("schedule_unreadable", schedule_id=str(schedule.id), fields=fields)  # noqa: TRY400 - as above
        return None
