"""`POST heartbeat`: what a recorder says of itself."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Security
from sqlalchemy.dialects.postgresql import insert

from camfleet_contract.heartbeats import Heartbeat, HeartbeatReceived
from control_plane.errors import Invalid, Unauthorized, Unavailable
from control_plane.local_client import refusals
from control_plane.local_client.callers import KnownCaller, TokenRoute, bearer
from control_plane.local_client.examples import example_of
from control_plane.local_client.identities import UNKNOWN_TOKEN
from control_plane.local_client.keepsakes import worth_keeping
from control_plane.local_client.reading import newest_revision
from control_plane.models import ClientContact
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
    report: Annotated[Heartbeat, Body(examples=[example_of(Heartbeat)])], shared: Shared, caller: KnownCaller
) -> HeartbeatReceived:
    """Keep what the recorder says of itself. `client_id` is ignored: the token tells who calls."""
    check(report)
    return await take_in(shared, caller.token_sha256, caller.address, report)


def check(report: Heartbeat) -> None:
    """Raise Invalid if it can't be kept."""
    if (report.active_recordings or 0) > _INTEGER_MAX:
        raise Invalid("active_recordings", f"must be at most {_INTEGER_MAX}")
    if report.system_info is not None:
        worth_keeping("system_info", report.system_info)


async def take_in(shared: Services, token_sha256: bytes, address: str | None, report: Heartbeat) -> HeartbeatReceived:
    """Keep a heartbeat that was checked; committed when it returns. Raise Unauthorized."""
    kept = await shared.heartbeats.keep(token_sha256, address, report)
    if kept is None:
        raise Unauthorized(UNKNOWN_TOKEN)
    now = datetime.now(UTC)
    if not kept.is_written or report.fetches:
        await _take_in_alone(shared, kept.client_id, report, now, is_written=kept.is_written)
    changed = report.config_revision is not None and await _is_old(shared, kept.client_id, report.config_revision)
    return HeartbeatReceived(client_id=kept.client_id, server_time=now, config_changed=changed)


async def _take_in_alone(
    shared: Services, client_id: uuid.UUID, report: Heartbeat, now: datetime, *, is_written: bool
) -> None:
    async with shared.sessions.begin() as session:
        if not is_written:
            # Somebody else held the client's row: it is waited for here, where nobody else has to wait along.
            said = {
                "last_contact_at": now,
                "last_heartbeat_at": now,
                "active_recordings": report.active_recordings,
                "heartbeat": report.model_dump(mode="json", exclude_none=True, exclude={"client_id", "chain_heads"}),
            }
            statement = insert(ClientContact).values(client_id=client_id, **said)
            await session.execute(statement.on_conflict_do_update(index_elements=[ClientContact.client_id], set_=said))
        await take_in_progress(session, client_id, report.fetches or [], now)


async def _is_old(shared: Services, client_id: uuid.UUID, revision: str) -> bool:
    # Mostly remembered: putting a large configuration together for each of 170 heartbeats a second is half a processor.
    newest = shared.config_changes.newest_revision(client_id)
    if newest is None:
        try:
            newest = await newest_revision(shared, client_id)
        except Unavailable:
            return False  # `GET config` tells what is wrong; a heartbeat is none the worse for it
    return newest != revision
