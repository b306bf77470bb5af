"""`POST heartbeat`: what a recorder says of itself."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Security
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.heartbeats import Heartbeat, HeartbeatReceived
from control_plane.database import Session
from control_plane.errors import Invalid, Unavailable
from control_plane.local_client import refusals
from control_plane.local_client.callers import KnownCaller, TokenRoute, bearer
from control_plane.local_client.configuration import read_config
from control_plane.local_client.examples import example_of
from control_plane.local_client.keepsakes import worth_keeping
from control_plane.models import ClientContact
from control_plane.recordings.chain_heads import keep_heads
from control_plane.recordings.fetches import take_in_progress
from control_plane.services import Services, Shared

_INTEGER_MAX = 2**31 - 1

router = APIRouter(tags=["heartbeat"], route_class=TokenRoute, dependencies=[Security(bearer)])


@router.post(
    "/heartbeat",
    responses=refusals.ALWAYS
    | refusals.WITH_BODY
    | {200: {"content": {"application/json": {"example": example_of(HeartbeatReceived)}}}},
)
async def heartbeat(
    report: Annotated[Heartbeat, Body(examples=[example_of(Heartbeat)])],
    session: Session,
    shared: Shared,
    caller: KnownCaller,
) -> HeartbeatReceived:
    """Keep what the recorder says of itself. `client_id` is ignored: the token tells who calls."""
    now = datetime.now(UTC)
    await _keep(session, caller.client_id, report, now)
    await take_in_progress(session, caller.client_id, report.fetches or [], now)
    changed = report.config_revision is not None and await _is_old(
        session, shared, caller.client_id, report.config_revision
    )
    return HeartbeatReceived(client_id=caller.client_id, server_time=now, config_changed=changed)


async def _keep(session: AsyncSession, client_id: uuid.UUID, report: Heartbeat, now: datetime) -> None:
    if (report.active_recordings or 0) > _INTEGER_MAX:
        raise Invalid("active_recordings", f"must be at most {_INTEGER_MAX}")
    if report.system_info is not None:
        worth_keeping("system_info", report.system_info)
    kept = {
        "last_contact_at": now,
        "last_heartbeat_at": now,
        "active_recordings": report.active_recordings,
        "heartbeat": report.model_dump(mode="json", exclude_none=True, exclude={"client_id", "chain_heads"}),
    }
    statement = insert(ClientContact).values(client_id=client_id, **kept)
    await session.execute(statement.on_conflict_do_update(index_elements=[ClientContact.client_id], set_=kept))
    await keep_heads(session, client_id, report.chain_heads or [], now)


async def _is_old(session: AsyncSession, shared: Services, client_id: uuid.UUID, revision: str) -> bool:
    # Mostly remembered: putting a large configuration together for each of 170 heartbeats a second is half a processor.
    newest = shared.config_changes.newest_revision(client_id)
    if newest is None:
        try:
            with shared.config_changes.watch(client_id) as changed:
                newest = (await read_config(session, shared.secrets, shared.store, client_id)).revision
                shared.config_changes.remember(client_id, newest, changed)
        except Unavailable:
            return False  # `GET config` tells what is wrong; a heartbeat is none the worse for it
    return newest != revision
