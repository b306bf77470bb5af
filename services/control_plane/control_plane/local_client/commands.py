"""`POST commands/{id}/result`: what became of a command that stood in the configuration."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Request, Security

from camfleet_contract.commands import CommandReceived, CommandResult
from control_plane.commands.results import Teller, take_in_result
from control_plane.database import Session
from control_plane.local_client import refusals
from control_plane.local_client.callers import KnownCaller, TokenRoute, bearer
from control_plane.local_client.examples import example_of
from control_plane.security.tokens import token_sha256
from control_plane.services import Shared

router = APIRouter(tags=["commands"], route_class=TokenRoute, dependencies=[Security(bearer)])


@router.post(
    "/commands/{command_id}/result",
    responses=refusals.ALWAYS
    | refusals.WITH_BODY
    | refusals.not_found("there is no such command")
    | refusals.conflict("tell this with the new token: until then the earlier ones stay good")
    | {200: {"content": {"application/json": {"example": example_of(CommandReceived)}}}},
)
async def report_result(
    command_id: uuid.UUID,
    told: Annotated[CommandResult, Body(examples=[example_of(CommandResult)])],
    request: Request,
    session: Session,
    shared: Shared,
    caller: KnownCaller,
) -> CommandReceived:
    """Tell that a command is accepted, and then how it ended. States only move forward; a repeat changes nothing.

    Whoever tells `accepted` and is answered anything else came too late, and does not carry it out. `done` of
    `rotate_token` is told with the new token: then the earlier ones are revoked.
    """
    token = request.headers["authorization"].partition(" ")[2].strip()
    teller = Teller(caller.client_id, caller.address, token_sha256(token))
    state = await take_in_result(session, shared.secrets, teller, command_id, told, datetime.now(UTC))
    return CommandReceived(id=command_id, state=state)
