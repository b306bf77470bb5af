"""What recorders answer to commands, told any number of times."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.commands import CommandKind, CommandResult, CommandState, Outcome
from control_plane.commands.history import record_command
from control_plane.commands.states import moves, state_of
from control_plane.errors import Conflict, Invalid, NotFound
from control_plane.events import Actor, record_event
from control_plane.models import ClientToken, Command
from control_plane.security.secrets import SecretBox

IMAGES_KEPT = timedelta(hours=1)
"""A snapshot is for whoever asked for it; footage is what is kept."""

# Which part of an outcome is whose; the others have none.
_PARTS = {
    CommandKind.TEST_CAMERA: "camera",
    CommandKind.SNAPSHOT: "snapshot",
    CommandKind.START_RECORDING: "recording",
    CommandKind.STOP_RECORDING: "recording",
}


@dataclass(frozen=True, slots=True)
class Teller:
    """The recorder that tells, and the token that it calls with."""

    client_id: uuid.UUID
    address: str | None
    token_sha256: bytes

    @property
    def actor(self) -> Actor:
        """For the audit row."""
        return Actor(f"client:{self.client_id}", self.address)


async def take_in_result(
    session: AsyncSession, secrets: SecretBox, teller: Teller, command_id: uuid.UUID, told: CommandResult, now: datetime
) -> CommandState:
    """Keep what is new of it; the state as it stands then.

    Raises NotFound, also for another's command, Invalid, and Conflict for a new token that the caller doesn't use.
    """
    query = select(Command).where(Command.id == command_id, Command.client_id == teller.client_id)
    command = (await session.scalars(query.with_for_update())).one_or_none()
    if command is None:
        raise NotFound("there is no such command")
    state = state_of(command, now)
    if not moves(state, told.state):
        return state
    if told.state is CommandState.ACCEPTED:
        command.accepted_at = now
        return told.state
    if told.state is CommandState.DONE:
        await _check_new_token(session, command, teller)
        _keep_outcome(secrets, command, told.result or Outcome(), now)
    command.detail = told.detail
    await end(session, command, told.state, teller.actor, now)
    if told.state is CommandState.DONE and command.token_id is not None:
        await _end_earlier_tokens(session, command, command.token_id, teller.actor, now)
    return told.state


async def end(session: AsyncSession, command: Command, state: CommandState, actor: Actor, now: datetime) -> None:
    """Nothing more is done about it: its secret goes, and so does a token that nobody has come to use."""
    # Accepted and never answered, it may be in use.
    is_unused = state is CommandState.FAILED or (state is CommandState.EXPIRED and command.accepted_at is None)
    if command.token_id is not None and is_unused:
        unused = update(ClientToken).where(ClientToken.id == command.token_id, ClientToken.revoked_at.is_(None))
        await session.execute(unused.values(revoked_at=now))
    await _close(session, command, state, actor, now)


async def _close(session: AsyncSession, command: Command, state: CommandState, actor: Actor, now: datetime) -> None:
    was_over = command.ended_at is not None
    command.ended_at, command.ended_as = now, state
    command.secret_encrypted = None
    await session.flush()
    late = {"was": CommandState.EXPIRED} if was_over else {}
    record_command(session, command, "command_ended", actor, state=state, detail=command.detail, **late)


async def end_deliveries(session: AsyncSession, client_id: uuid.UUID, actor: Actor, now: datetime) -> None:
    """No token that is on its way to the client is wanted any more; the caller revokes them, with all others.

    Commands are locked before tokens, here as in an answer: two who came in different orders would wait for each other.
    """
    on_their_way = select(Command).where(
        Command.client_id == client_id, Command.kind == CommandKind.ROTATE_TOKEN, Command.ended_at.is_(None)
    )
    for command in await session.scalars(on_their_way.order_by(Command.id).with_for_update()):
        command.detail = "All tokens of this recorder were revoked."
        await _close(session, command, CommandState.FAILED, actor, now)


def _keep_outcome(secrets: SecretBox, command: Command, outcome: Outcome, now: datetime) -> None:
    part = _PARTS.get(command.kind)
    command.result = _without_picture(outcome, part)
    if command.kind is not CommandKind.SNAPSHOT:
        return
    if outcome.snapshot is None:
        raise Invalid("result.snapshot", "is what was asked for")
    command.image_encrypted = secrets.encrypt(outcome.snapshot.jpeg)
    command.image_expires_at = now + IMAGES_KEPT


def _without_picture(outcome: Outcome, part: str | None) -> dict[str, Any] | None:
    if part is None:
        return None
    kept = outcome.model_dump(mode="json", include={part}, exclude={"snapshot": {"jpeg"}}, exclude_none=True)
    return kept or None


async def _check_new_token(session: AsyncSession, command: Command, teller: Teller) -> None:
    if command.kind is not CommandKind.ROTATE_TOKEN:
        return
    used = select(ClientToken.id).where(ClientToken.token_sha256 == teller.token_sha256)
    if command.token_id is None or await session.scalar(used) != command.token_id:
        raise Conflict("tell this with the new token: until then the earlier ones stay good")


async def _end_earlier_tokens(
    session: AsyncSession, command: Command, token_id: uuid.UUID, actor: Actor, now: datetime
) -> None:
    revoked = await session.scalars(
        update(ClientToken)
        .where(
            ClientToken.client_id == command.client_id,
            # UUIDv7: made before it.
            ClientToken.id < token_id,
            ClientToken.revoked_at.is_(None),
            or_(ClientToken.expires_at.is_(None), ClientToken.expires_at > now),
        )
        .values(revoked_at=now)
        .returning(ClientToken.prefix)
    )
    detail = {"token_prefixes": sorted(revoked), "command_id": command.id}
    record_event(session, "client", command.client_id, "client.tokens_revoked", actor, detail)
