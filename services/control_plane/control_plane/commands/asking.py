"""Asking a recorder for something: whom, and whether it can be asked at all."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.cameras import RecordingMode
from camfleet_contract.commands import LONGEST_MINUTES, CommandKind
from camfleet_contract.recordings import RecordingStatus
from control_plane.commands.history import record_command
from control_plane.commands.states import is_open, lifetime
from control_plane.errors import Conflict, Invalid, NotFound
from control_plane.events import Actor, record_event
from control_plane.fleet.clients import add_token, find_client
from control_plane.fleet.contact import is_online
from control_plane.fleet.visibility import of_clients
from control_plane.models import Camera, Client, ClientCamera, ClientContact, Command, Recording
from control_plane.security.principals import Principal
from control_plane.security.secrets import SecretBox

MOST_OPEN = 50
"""Of one recorder."""


async def find_command(session: AsyncSession, command_id: uuid.UUID, *, seen_by: Principal) -> Command:
    """The command. Raises NotFound."""
    query = select(Command).where(Command.id == command_id, of_clients(seen_by, Command.client_id))
    command = (await session.scalars(query)).one_or_none()
    if command is None:
        raise NotFound(f"There is no command {command_id}.")
    return command


async def ask_of_camera(
    session: AsyncSession,
    camera_id: uuid.UUID,
    kind: CommandKind,
    *,
    now: datetime,
    by: Principal,
    minutes: int | None = None,
) -> Command:
    """Ask the recorder that has the camera; of several, the one that records it, then the one that called last.

    Asking for the same again while the first is open asks once. Raises NotFound, Invalid, and Conflict where nobody
    could do it now.
    """
    if minutes is not None and not 1 <= minutes <= LONGEST_MINUTES:
        raise Invalid("minutes", f"must be from 1 to {LONGEST_MINUTES}")
    camera = await session.get(Camera, camera_id)
    if camera is None or not by.sees(camera.site_id):
        raise NotFound(f"There is no camera {camera_id}.")
    if not camera.is_active or camera.recording_mode is not RecordingMode.LOCAL_CLIENT:
        raise Conflict("This camera is switched off, or no recorder has it: nobody could do that.")
    recorder = await _recorder_of(session, camera_id)
    if recorder is None:
        raise Conflict("This camera is assigned to no recorder that is active.")
    _check_online(recorder, now)
    return await _ask(session, _Wish(recorder.id, kind, camera_id, minutes), now=now, actor=by.actor)


async def ask_to_restart(session: AsyncSession, client_id: uuid.UUID, *, now: datetime, by: Principal) -> Command:
    """Ask the recorder to end cleanly, so that its service manager starts it anew. Raises NotFound, Conflict."""
    client = await find_client(session, client_id, seen_by=by)
    _check_online(await _known(session, client), now)
    return await _ask(session, _Wish(client_id, CommandKind.RESTART), now=now, actor=by.actor)


async def ask_to_rotate_token(
    session: AsyncSession, secrets: SecretBox, client_id: uuid.UUID, *, now: datetime, by: Principal
) -> Command:
    """Make a token that only the recorder gets to see. The earlier ones end once it has used the new one.

    A recorder that is offline finds it when it is back, for a week. Raises NotFound, Conflict.
    """
    client = await find_client(session, client_id, seen_by=by, for_change=True)
    if not client.is_active:
        raise Conflict("This client is switched off: it can't fetch a token.")
    wish = _Wish(client_id, CommandKind.ROTATE_TOKEN)
    known = await _open_one(session, wish, now)
    if known is not None:
        return known
    token, row = add_token(session, client_id)
    await session.flush()
    command = await _ask(session, wish, now=now, actor=by.actor)
    command.token_id, command.secret_encrypted = row.id, secrets.encrypt(token.text)
    await session.flush()
    detail = {"token_prefix": token.prefix, "command_id": command.id, "earlier_tokens_expire_at": None}
    record_event(session, "client", client_id, "client.token_rotated", by.actor, detail)
    return command


@dataclass(frozen=True, slots=True)
class _Recorder:
    id: uuid.UUID
    name: str
    is_active: bool
    last_contact_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Wish:
    client_id: uuid.UUID
    kind: CommandKind
    camera_id: uuid.UUID | None = None
    minutes: int | None = None


async def _recorder_of(session: AsyncSession, camera_id: uuid.UUID) -> _Recorder | None:
    is_recorded = (Recording.camera_id == camera_id, Recording.status == RecordingStatus.RECORDING)
    records = select(Recording.id).where(*is_recorded, Recording.client_id == Client.id).correlate(Client).exists()
    query = (
        select(Client.id, Client.name, Client.is_active, ClientContact.last_contact_at)
        .join(ClientCamera, ClientCamera.client_id == Client.id)
        .outerjoin(ClientContact, ClientContact.client_id == Client.id)
        .where(ClientCamera.camera_id == camera_id, Client.is_active)
        .order_by(case((records, 0), else_=1), ClientContact.last_contact_at.desc().nulls_last(), Client.id)
        .limit(1)
    )
    row = (await session.execute(query)).first()
    return None if row is None else _Recorder(*row)


async def _known(session: AsyncSession, client: Client) -> _Recorder:
    query = select(ClientContact.last_contact_at).where(ClientContact.client_id == client.id)
    return _Recorder(client.id, client.name, client.is_active, await session.scalar(query))


def _check_online(recorder: _Recorder, now: datetime) -> None:
    if not recorder.is_active:
        raise Conflict(f"The recorder {recorder.name} is switched off.")
    if not is_online(recorder.last_contact_at, now):
        since = f"since {recorder.last_contact_at:%Y-%m-%d %H:%M:%S} UTC" if recorder.last_contact_at else "so far"
        raise Conflict(f"The recorder {recorder.name} was not heard of {since}. Ask again when it is back.")


async def _open_one(session: AsyncSession, wish: _Wish, now: datetime) -> Command | None:
    query = select(Command).where(
        Command.client_id == wish.client_id,
        Command.kind == wish.kind,
        Command.camera_id.is_not_distinct_from(wish.camera_id),
        Command.minutes.is_not_distinct_from(wish.minutes),
        is_open(now),
    )
    return (await session.scalars(query.order_by(Command.id))).first()


async def _ask(session: AsyncSession, wish: _Wish, *, now: datetime, actor: Actor) -> Command:
    # Two at a time must not pass the limit together, nor ask for the same.
    await session.execute(select(Client.id).where(Client.id == wish.client_id).with_for_update(key_share=True))
    known = await _open_one(session, wish, now)
    if known is not None:
        return known
    how_many = select(func.count()).select_from(Command).where(Command.client_id == wish.client_id, is_open(now))
    if (await session.scalar(how_many) or 0) >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} commands wait for this recorder already: wait for their end.")
    command = Command(
        client_id=wish.client_id,
        camera_id=wish.camera_id,
        kind=wish.kind,
        minutes=wish.minutes,
        asked_at=now,
        asked_by=actor.name,
        expires_at=now + lifetime(wish.kind),
    )
    session.add(command)
    await session.flush()
    record_command(session, command, "command_asked", actor, minutes=wish.minutes)
    return command
