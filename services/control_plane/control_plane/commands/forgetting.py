"""The end of commands that nobody answered, of pictures that have been looked at, and of what is long past."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.commands import CommandState
from control_plane.commands.results import end
from control_plane.commands.states import is_open
from control_plane.events import BACKGROUND
from control_plane.models import Command

KEPT = timedelta(days=90)
"""The history of who asked for what stays in the events."""
_AT_ONCE = 1000


async def settle(session: AsyncSession, now: datetime) -> int:
    """End what has expired, and forget what is due; how many have ended. Safe to repeat, and beside another."""
    overdue = select(Command).where(Command.ended_at.is_(None), ~is_open(now)).order_by(Command.id).limit(_AT_ONCE)
    commands = (await session.scalars(overdue.with_for_update(skip_locked=True))).all()
    for command in commands:
        command.detail = _why(command)
        await end(session, command, CommandState.EXPIRED, BACKGROUND, now)
    gone = update(Command).where(Command.image_expires_at <= now)
    await session.execute(
        gone.values(image_encrypted=None, image_expires_at=None).execution_options(synchronize_session=False)
    )
    old = select(Command.id).where(Command.asked_at < now - KEPT).limit(_AT_ONCE)
    await session.execute(delete(Command).where(Command.id.in_(old)).execution_options(synchronize_session=False))
    return len(commands)


def _why(command: Command) -> str:
    if command.accepted_at is None:
        return "The recorder did not take it in time: it is offline, or too old for commands."
    return "The recorder took it, and never said how it ended."
