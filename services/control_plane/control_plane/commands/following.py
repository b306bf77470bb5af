"""Waiting for the end of a command, on whichever replica its recorder tells it."""

import asyncio
import uuid
from datetime import UTC, datetime

from camfleet_contract.commands import CommandState
from control_plane.commands.asking import find_command
from control_plane.commands.states import state_of
from control_plane.models import Command
from control_plane.security.principals import Principal
from control_plane.services import Services

LONGEST_WAIT_SECONDS = 20
# A recorder's answer wakes whoever waits. That the time is over nobody tells, nor what came while the connection to
# PostgreSQL was away.
_LOOK_EVERY_SECONDS = 2.0


async def follow(
    services: Services,
    command_id: uuid.UUID,
    wait_seconds: float,
    *,
    seen_by: Principal,
    while_it_is: CommandState | None = None,
) -> Command:
    """The command as soon as it is over, or as it stands after `wait_seconds`. Raises NotFound.

    With `while_it_is`, as soon as it is in any other state. Nothing of the database is held while waiting.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    command = await _read(services, command_id, seen_by)
    # An answer changes what the recorder is told, and that is announced.
    with services.config_changes.watch(command.client_id) as changed:
        while True:
            changed.clear()
            command = await _read(services, command_id, seen_by)
            left = deadline - loop.time()
            state = state_of(command, datetime.now(UTC))
            is_news = state.is_over or while_it_is not in {None, state}
            if is_news or left <= 0 or services.config_changes.is_closed:
                return command
            try:
                async with asyncio.timeout(min(left, _LOOK_EVERY_SECONDS)):
                    await changed.wait()
            except TimeoutError:
                continue


async def _read(services: Services, command_id: uuid.UUID, seen_by: Principal) -> Command:
    async with services.sessions() as session:
        return await find_command(session, command_id, seen_by=seen_by)
