"""Cameras: made, changed and deleted, with secrets that only a recorder gets to see."""

import uuid
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import undefer
from sqlalchemy.orm.interfaces import ORMOption

from camfleet_contract.cameras import CameraType, RecordedStream, RecordingMode, RecordQuality, RtspTransport
from camfleet_contract.messages import Text
from control_plane.errors import Conflict, Invalid, NotFound
from control_plane.events import Actor, record_event
from control_plane.fleet.fields import Fields, FleetName, Line
from control_plane.fleet.stream_urls import (
    MASK,
    assembled,
    checked_host,
    checked_path,
    checked_url,
    is_masked,
    redacted,
    with_credentials,
)
from control_plane.fleet.visibility import at_sites
from control_plane.models import Camera, ClientCamera, Site
from control_plane.security.principals import Principal
from control_plane.security.secrets import SecretBox, SecretUnreadableError

__all__ = [
    "CameraChange",
    "NewCamera",
    "camera_stream_url",
    "camera_sub_stream_url",
    "change_camera",
    "create_camera",
    "delete_camera",
    "find_camera",
    "has_password",
    "redacted",
    "secret_columns",
    "shown_sub_url",
    "shown_url",
]

Host = Annotated[Text, Field(max_length=255, examples=["192.168.1.20"]), AfterValidator(checked_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
StreamPath = Annotated[Text, Field(max_length=1024, examples=["/stream1"]), AfterValidator(checked_path)]
StreamUrl = Annotated[
    Text, Field(max_length=2048, examples=["rtsp://192.168.1.20:554/stream1"]), AfterValidator(checked_url)
]
Password = Annotated[Text, Field(max_length=255, json_schema_extra={"writeOnly": True})]

_NULLABLE = frozenset({"location", "rtsp_transport", "retention_days"})
_SECRETS = {
    "password": "password_encrypted",
    "rtsp_url": "rtsp_url_encrypted",
    "rtsp_url_sub": "rtsp_url_sub_encrypted",
}


class CameraChange(Fields):
    """What may be changed of a camera."""

    read_only: ClassVar[frozenset[str]] = Fields.read_only | {"has_password"}

    name: FleetName = ""
    site_id: uuid.UUID = uuid.UUID(int=0)
    camera_type: CameraType = CameraType.RTSP
    ip_address: Host | None = ""
    port: Port = 554
    username: Line | None = ""
    password: Password | None = None
    """Kept encrypted, never shown again; null or empty clears it."""
    rtsp_path: StreamPath = "/"
    rtsp_url: StreamUrl | None = None
    """The whole URL of the stream, where it can't be put together from the address, port, path and credentials."""
    rtsp_url_sub: StreamUrl | None = None
    rtsp_transport: RtspTransport | None = None
    """How its stream is carried; null leaves it to the recorder's setting, which is TCP unless somebody changed it."""
    recorded_stream: RecordedStream = RecordedStream.MAIN
    """`sub` records `rtsp_url_sub` instead: a smaller picture, for thin uplinks and long retention."""
    location: Line | None = None
    record_quality: RecordQuality = RecordQuality.MEDIUM
    recording_mode: RecordingMode = RecordingMode.LOCAL_CLIENT
    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    """After that many days what is stored of it is deleted, unless held; null: as the server's RETENTION_DAYS says."""
    is_active: bool = True


class NewCamera(CameraChange):
    """A camera to make: by its whole URL, or by its address and what belongs to it."""

    is_change: ClassVar[bool] = False

    name: FleetName
    site_id: uuid.UUID


def secret_columns() -> tuple[ORMOption, ...]:
    """Options of a query that needs the encrypted columns, which are not loaded by default."""
    return tuple(undefer(getattr(Camera, column)) for column in _SECRETS.values())


def camera_stream_url(camera: Camera, secrets: SecretBox) -> str:
    """The stream's URL with its credentials, for recorders only.

    The camera must have been loaded with `secret_columns()`. Raises SecretUnreadableError.
    """
    password = _decrypted(camera.password_encrypted, secrets)
    if camera.rtsp_url_encrypted:
        return with_credentials(secrets.decrypt(camera.rtsp_url_encrypted), camera.username, password)
    if not camera.ip_address:
        return ""
    return assembled(camera.ip_address, camera.port, camera.rtsp_path, camera.username, password)


def camera_sub_stream_url(camera: Camera, secrets: SecretBox) -> str | None:
    """The second stream's URL with its credentials, where the camera has one; as `camera_stream_url`."""
    if not camera.rtsp_url_sub_encrypted:
        return None
    password = _decrypted(camera.password_encrypted, secrets)
    return with_credentials(secrets.decrypt(camera.rtsp_url_sub_encrypted), camera.username, password)


def shown_url(camera: Camera, secrets: SecretBox) -> str | None:
    """The stream's URL for people; None when its secrets can't be read, so that one camera never breaks a list."""
    try:
        return redacted(camera_stream_url(camera, secrets))
    except SecretUnreadableError:
        return None


def shown_sub_url(camera: Camera, secrets: SecretBox) -> str | None:
    """The second stream's URL for people; None when there is none or its secrets can't be read."""
    try:
        url = camera_sub_stream_url(camera, secrets)
    except SecretUnreadableError:
        return None
    return redacted(url) if url else None


def has_password(camera: Camera, secrets: SecretBox) -> bool:
    """Whether a password is known, by itself or in the URL; also when it can't be read."""
    return camera.password_encrypted is not None or MASK in (shown_url(camera, secrets) or MASK)


async def find_camera(
    session: AsyncSession, camera_id: uuid.UUID, *, seen_by: Principal, for_change: bool = False
) -> Camera:
    """The camera with its secrets; locked until the end of the transaction when it is to be changed."""
    query = select(Camera).where(Camera.id == camera_id, at_sites(seen_by, Camera.site_id)).options(*secret_columns())
    if for_change:
        # The weaker of the two locks: a recording of this camera may be registered meanwhile.
        query = query.with_for_update(key_share=True)
    camera = (await session.scalars(query)).one_or_none()
    if camera is None:
        raise NotFound(f"There is no camera {camera_id}.")
    return camera


async def create_camera(session: AsyncSession, secrets: SecretBox, new: NewCamera, *, actor: Actor) -> Camera:
    """Make a camera. Raises Invalid, naming the field."""
    if await session.get(Site, new.site_id) is None:
        raise Invalid("site_id", f"there is no site {new.site_id}")
    camera = Camera(password_encrypted=None, rtsp_url_encrypted=None, rtsp_url_sub_encrypted=None)
    values = new.everything()
    _write(camera, values, secrets)
    _check(camera)
    session.add(camera)
    await session.flush()
    shown = {name: value for name, value in values.items() if name not in _SECRETS}
    shown |= {name: _hidden(name, values[name]) for name in _SECRETS}
    record_event(session, "camera", camera.id, "camera.created", actor, shown)
    return camera


async def change_camera(
    session: AsyncSession, secrets: SecretBox, camera: Camera, change: CameraChange, *, actor: Actor
) -> Camera:
    """Change what is given; `camera` comes from `find_camera(..., for_change=True)`.

    A URL sent back as it was shown leaves what is stored: in it the password is masked, or it was put together from
    the camera's parts. Raises Invalid and Conflict.
    """
    given = change.given()
    for name, shown in {"rtsp_url": shown_url(camera, secrets), "rtsp_url_sub": shown_sub_url(camera, secrets)}.items():
        if shown is not None and given.get(name) == shown:
            del given[name]
    before = {name: _current(camera, name, secrets) for name in given}
    if "site_id" in given and given["site_id"] != camera.site_id:
        await _check_move(session, camera, given["site_id"])
    _write(camera, given, secrets)
    _check(camera)
    changes = _changes(before, {name: _current(camera, name, secrets) for name in given})
    if changes:
        record_event(session, "camera", camera.id, "camera.changed", actor, changes)
        await session.flush()
        await session.refresh(camera, ["updated_at"])
    return camera


async def delete_camera(session: AsyncSession, camera: Camera, *, actor: Actor) -> None:
    """Delete the camera and its schedules. Raises Conflict while footage of it is known."""
    try:
        async with session.begin_nested():
            await session.execute(delete(Camera).where(Camera.id == camera.id))
    except IntegrityError:
        raise Conflict(
            "This camera has recordings, which would be lost with it. Deactivate it instead: is_active false."
        ) from None
    record_event(session, "camera", camera.id, "camera.deleted", actor, {"name": camera.name}, site_id=camera.site_id)


def _write(camera: Camera, values: dict[str, Any], secrets: SecretBox) -> None:
    for name, value in values.items():
        if name not in _SECRETS:
            setattr(camera, name, "" if value is None and name not in _NULLABLE else value)
            continue
        if value and name != "password" and is_masked(value):
            raise Invalid(
                name, f"its password is masked by {MASK}: give the real one, or leave the field out to keep it"
            )
        setattr(camera, _SECRETS[name], secrets.encrypt(value) if value else None)


def _check(camera: Camera) -> None:
    if not camera.ip_address and camera.rtsp_url_encrypted is None:
        raise Invalid("ip_address", "is needed, unless rtsp_url gives the whole address of the stream")
    if camera.password_encrypted is not None and not camera.username:
        raise Invalid("username", "is needed with a password; clear the password if the camera wants none")
    if camera.recorded_stream is RecordedStream.SUB and camera.rtsp_url_sub_encrypted is None:
        raise Invalid(
            "recorded_stream", "is the second stream, whose URL isn't known: give rtsp_url_sub, or choose main"
        )


async def _check_move(session: AsyncSession, camera: Camera, site_id: uuid.UUID) -> None:
    if await session.get(Site, site_id) is None:
        raise Invalid("site_id", f"there is no site {site_id}")
    if await session.scalar(select(ClientCamera.client_id).where(ClientCamera.camera_id == camera.id).limit(1)):
        raise Conflict("This camera is assigned to a client of its site: take it off the client before moving it.")


def _current(camera: Camera, name: str, secrets: SecretBox) -> Any:
    if name not in _SECRETS:
        return getattr(camera, name)
    try:
        return _decrypted(getattr(camera, _SECRETS[name]), secrets)
    except SecretUnreadableError:
        return "unreadable"


def _changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, object]:
    """The difference with every secret hidden, also where only the secret differs."""
    changed = [name for name in after if before[name] != after[name]]
    return {name: {"before": _hidden(name, before[name]), "after": _hidden(name, after[name])} for name in changed}


def _hidden(name: str, value: Any) -> Any:
    if name == "password":
        return MASK if value else None
    return redacted(value) if name in _SECRETS and value else value


def _decrypted(sealed: bytes | None, secrets: SecretBox) -> str:
    return secrets.decrypt(sealed) if sealed else ""
