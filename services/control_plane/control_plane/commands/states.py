"""How far a command is, and how that may change: only forward."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, or_

from camfleet_contract.commands import CommandKind, CommandState
from control_plane.models import Command

LIFETIME = timedelta(seconds=60)
"""Whoever asks for a picture wants it now: what the recorder has not accepted by then is not done later."""
TOKEN_LIFETIME = timedelta(days=7)
"""A new token waits for a recorder that is offline."""
ANSWERED_WITHIN = timedelta(minutes=10)
"""After its expiry: how long a recorder that accepted it may take to say how it ended, with a restart in between."""


def lifetime(kind: CommandKind) -> timedelta:
    """How long a command of that kind waits to be accepted."""
    return TOKEN_LIFETIME if kind is CommandKind.ROTATE_TOKEN else LIFETIME


def state_of(command: Command, now: datetime) -> CommandState:
    """The state at `now`."""
    if command.ended_as is not None:
        return command.ended_as
    if command.accepted_at is None:
        return CommandState.EXPIRED if command.expires_at <= now else CommandState.ASKED
    return CommandState.EXPIRED if command.expires_at + ANSWERED_WITHIN <= now else CommandState.ACCEPTED


def is_open(now: datetime | None = None) -> ColumnElement[bool]:
    """Whether a command is asked or accepted, as a condition; at `now`, or when the statement runs."""
    moment = func.now() if now is None else now
    in_time = or_(
        Command.expires_at > moment,
        and_(Command.accepted_at.is_not(None), Command.expires_at > moment - ANSWERED_WITHIN),
    )
    return and_(Command.ended_at.is_(None), in_time)


def moves(state: CommandState, told: CommandState) -> bool:
    """Whether what a recorder tells changes anything.

    A repeat and a step back change nothing. That it was done, or failed, is true even when nobody waits any more.
    """
    match state:
        case CommandState.ASKED:
            return True
        case CommandState.ACCEPTED | CommandState.EXPIRED:
            return told is not CommandState.ACCEPTED
        case _:
            return False
