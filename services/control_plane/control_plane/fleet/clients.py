"""Local recording clients: made, changed and deleted, with their tokens and the cameras they record."""

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from pydantic import Field
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.uploading import FASTEST_KBIT, MOST_HOURS, SLOWEST_KBIT, UploadHours
from control_plane.commands.results import end_deliveries
from control_plane.errors import Conflict, Invalid, NotFound
from control_plane.events import Actor, difference, record_event
from control_plane.fleet.fields import Fields, FleetName
from control_plane.models import Camera, Client, ClientCamera, ClientToken, Site
from control_plane.security.principals import Principal
from control_plane.security.tokens import NewToken, new_client_token

MOST_CAMERAS = 1000
ROTATION_OVERLAP = timedelta(days=1)
"""How long the earlier tokens stay good when a new one is made, so that the recorder's file can be edited in peace."""

CameraIds = Annotated[list[uuid.UUID], Field(max_length=MOST_CAMERAS)]


class ClientChange(Fields):
    """What may be changed of a client."""

    read_only: ClassVar[frozenset[str]] = Fields.read_only | {"status", "last_contact_at"}

    name: FleetName = ""
    site_id: uuid.UUID = uuid.UUID(int=0)
    camera_ids: CameraIds = []
    """All cameras that the client records; they belong to its site."""
    is_active: bool = True
    """An inactive client's tokens are refused."""
    upload_limit_kbit: Annotated[int, Field(ge=SLOWEST_KBIT, le=FASTEST_KBIT, examples=[2000])] | None = None
    """What its uploads may take of the uplink together, in 1,000 bits per second; null: all there is."""
    upload_hours: Annotated[list[UploadHours], Field(max_length=MOST_HOURS)] = []
    """When it may upload, in wall-clock time of its site; none: at any time."""


class NewClient(ClientChange):
    """A client to make."""

    is_change: ClassVar[bool] = False

    name: FleetName
    site_id: uuid.UUID


async def find_client(
    session: AsyncSession, client_id: uuid.UUID, *, seen_by: Principal, for_change: bool = False
) -> Client:
    """The client; locked until the end of the transaction when it is to be changed."""
    client = await session.get(Client, client_id, with_for_update={"key_share": True} if for_change else None)
    if client is None or not seen_by.sees(client.site_id):
        raise NotFound(f"There is no client {client_id}.")
    return client


async def create_client(
    session: AsyncSession,
    name: str,
    site_id: uuid.UUID,
    camera_ids: Collection[uuid.UUID] = (),
    *,
    actor: Actor,
    is_active: bool = True,
    upload_limit_kbit: int | None = None,
    upload_hours: Sequence[UploadHours] = (),
) -> tuple[Client, NewToken]:
    """Make a client with its first token, which is known only now. Raises Invalid, naming the field."""
    new = NewClient.of(
        {
            "name": name,
            "site_id": site_id,
            "camera_ids": list(camera_ids),
            "is_active": is_active,
            "upload_limit_kbit": upload_limit_kbit,
            "upload_hours": list(upload_hours),
        }
    )
    await _check_site(session, new.site_id)
    cameras = await _cameras_of_site(session, new.camera_ids, new.site_id)
    client = Client(
        name=new.name,
        site_id=new.site_id,
        is_active=new.is_active,
        upload_limit_kbit=new.upload_limit_kbit,
        upload_hours=[str(hours) for hours in new.upload_hours],
    )
    session.add(client)
    await session.flush()
    await _assign(session, client.id, cameras)
    token, _ = add_token(session, client.id)
    detail = new.everything() | {"token_prefix": token.prefix}
    record_event(session, "client", client.id, "client.created", actor, detail)
    await session.flush()
    return client, token


async def change_client(session: AsyncSession, client: Client, change: ClientChange, *, actor: Actor) -> Client:
    """Change what is given; `client` comes from `find_client(..., for_change=True)`.

    To another site it moves without its cameras, or with `camera_ids` of the new one. Raises Invalid and Conflict.
    """
    given = change.given()
    assigned = await assigned_cameras(session, client.id)
    if "camera_ids" in given:
        given["camera_ids"] = sorted(set(given["camera_ids"]))
    if "upload_hours" in given:
        given["upload_hours"] = [str(hours) for hours in given["upload_hours"]]
    before = {name: getattr(client, name) for name in given if name != "camera_ids"} | {"camera_ids": sorted(assigned)}
    changes = difference(before, given)
    if not changes:
        return client
    if "site_id" in changes:
        await _check_site(session, given["site_id"])
        if "camera_ids" not in given and assigned:
            raise Conflict("This client has cameras of its site: take them off, or give camera_ids of the new site.")
    if "camera_ids" in given:
        wanted = await _cameras_of_site(session, given.pop("camera_ids"), given.get("site_id", client.site_id))
        await _unassign(session, client.id, assigned - wanted)
        await _assign(session, client.id, wanted - assigned)
    for name, value in given.items():
        setattr(client, name, value)
    await session.flush()
    await session.refresh(client, ["updated_at"])
    record_event(session, "client", client.id, "client.changed", actor, changes)
    return client


async def set_cameras(
    session: AsyncSession, client: Client, camera_ids: Iterable[uuid.UUID], *, actor: Actor
) -> Client:
    """Let the client record exactly these cameras of its site. Raises Invalid."""
    return await change_client(session, client, ClientChange.of({"camera_ids": list(camera_ids)}), actor=actor)


async def assign_camera(session: AsyncSession, client: Client, camera_id: uuid.UUID, *, actor: Actor) -> Client:
    """Let the client record one more camera of its site; nothing happens when it does already. Raises Invalid."""
    return await set_cameras(session, client, await assigned_cameras(session, client.id) | {camera_id}, actor=actor)


async def assigned_cameras(session: AsyncSession, client_id: uuid.UUID) -> set[uuid.UUID]:
    """The ids of the cameras that the client records."""
    query = select(ClientCamera.camera_id).where(ClientCamera.client_id == client_id)
    return set(await session.scalars(query))


async def delete_client(session: AsyncSession, client: Client, *, actor: Actor) -> None:
    """Delete the client and its tokens. Raises Conflict while footage of it is known."""
    try:
        async with session.begin_nested():
            await session.execute(delete(Client).where(Client.id == client.id))
    except IntegrityError:
        raise Conflict(
            "This client has recordings, which would be lost with it. Deactivate it instead: is_active false."
        ) from None
    record_event(session, "client", client.id, "client.deleted", actor, {"name": client.name}, site_id=client.site_id)


async def rotate_token(
    session: AsyncSession,
    client: Client,
    *,
    now: datetime,
    actor: Actor,
    overlap: timedelta = ROTATION_OVERLAP,
) -> NewToken:
    """Make a new token; the earlier ones stay good for `overlap`, at most until they would have expired anyway."""
    ends = now + overlap
    await session.execute(
        update(ClientToken)
        .where(
            ClientToken.client_id == client.id,
            ClientToken.revoked_at.is_(None),
            or_(ClientToken.expires_at.is_(None), ClientToken.expires_at > ends),
        )
        .values(expires_at=ends)
    )
    token, _ = add_token(session, client.id)
    detail = {"token_prefix": token.prefix, "earlier_tokens_expire_at": ends}
    record_event(session, "client", client.id, "client.token_rotated", actor, detail)
    await session.flush()
    return token


async def revoke_tokens(session: AsyncSession, client: Client, *, now: datetime, actor: Actor) -> int:
    """Refuse every token of the client from now on; how many were live. A stolen recorder is locked out by this."""
    await end_deliveries(session, client.id, actor, now)
    revoked = await session.scalars(
        update(ClientToken)
        .where(
            ClientToken.client_id == client.id,
            ClientToken.revoked_at.is_(None),
            or_(ClientToken.expires_at.is_(None), ClientToken.expires_at > now),
        )
        .values(revoked_at=now)
        .returning(ClientToken.prefix)
    )
    prefixes = list(revoked)
    record_event(session, "client", client.id, "client.tokens_revoked", actor, {"token_prefixes": prefixes})
    return len(prefixes)


def add_token(session: AsyncSession, client_id: uuid.UUID) -> tuple[NewToken, ClientToken]:
    """One more token of the client, with the row that is kept of it."""
    token = new_client_token()
    row = ClientToken(client_id=client_id, prefix=token.prefix, token_sha256=token.sha256)
    session.add(row)
    return token, row


async def _check_site(session: AsyncSession, site_id: uuid.UUID) -> None:
    if await session.get(Site, site_id) is None:
        raise Invalid("site_id", f"there is no site {site_id}")


async def _cameras_of_site(
    session: AsyncSession, camera_ids: Iterable[uuid.UUID], site_id: uuid.UUID
) -> set[uuid.UUID]:
    """The ids, once it is known that all are cameras of the site. They stay there until the transaction ends."""
    wanted = set(camera_ids)
    query = select(Camera.id).where(Camera.id.in_(wanted), Camera.site_id == site_id)
    found = set(await session.scalars(query.order_by(Camera.id).with_for_update(read=True)))
    if strangers := sorted(wanted - found):
        named = ", ".join([*map(str, strangers[:3]), *(["..."] if strangers[3:] else [])])
        raise Invalid("camera_ids", f"must be cameras of the client's site; these are not: {named}")
    return wanted


async def _assign(session: AsyncSession, client_id: uuid.UUID, camera_ids: Iterable[uuid.UUID]) -> None:
    rows = [{"client_id": client_id, "camera_id": camera_id} for camera_id in camera_ids]
    if rows:
        await session.execute(insert(ClientCamera), rows)


async def _unassign(session: AsyncSession, client_id: uuid.UUID, camera_ids: Collection[uuid.UUID]) -> None:
    await session.execute(
        delete(ClientCamera).where(ClientCamera.client_id == client_id, ClientCamera.camera_id.in_(camera_ids))
    )
