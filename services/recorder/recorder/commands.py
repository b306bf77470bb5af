"""The commands of the control plane: each taken up once, carried out once, and told of until that is known there."""

import asyncio
import sqlite3
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from datetime import timedelta
from uuid import UUID

import structlog
from pydantic import SecretStr, ValidationError

from camfleet_contract.commands import Command, CommandKind, CommandResult, CommandState
from camfleet_contract.configuration import RecorderConfig
from recorder.backoff import Backoff
from recorder.clock import Clock
from recorder.control_plane import ControlPlane
from recorder.deeds import Deeds, Done
from recorder.disk_failures import DISK_ERRORS, disk_failure
from recorder.errors import CallRefused, CameraError, ControlPlaneError, RecorderError, TokenRefused
from recorder.redaction import storable
from recorder.spool import BegunCommand, Spool

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 64
"""More wait in the configuration until some of these are over."""
TOKEN_REFUSED_PAUSE = timedelta(minutes=5)
_BACKOFF = Backoff(timedelta(milliseconds=500), timedelta(seconds=30))
_DETAIL_CHARACTERS = 1000
_INTERRUPTED = "The recorder was restarted meanwhile: whether it was done isn't known. Ask again if it is still wanted."
_RECORDING = frozenset({CommandKind.START_RECORDING, CommandKind.STOP_RECORDING})
_ACCEPTED = CommandResult(state=CommandState.ACCEPTED)


class Commands:
    """`run` is to be a task; `take` is called from the event loop."""

    def __init__(
        self, control_plane: ControlPlane, spool: Spool, deeds: Deeds, *, clock: Clock, backoff: Backoff = _BACKOFF
    ) -> None:
        self._control_plane = control_plane
        self._spool = spool.commands
        self._deeds = deeds
        self._clock = clock
        self._backoff = backoff
        self._taken: set[UUID] = set()
        self._under_way: set[UUID] = set()
        self._waiting: deque[Command] = deque()
        self._came = asyncio.Event()
        self._turns: defaultdict[Hashable, asyncio.Lock] = defaultdict(asyncio.Lock)
        """What concerns the same is done in the order in which it was asked."""

    def take(self, config: RecorderConfig) -> None:
        """The control plane has just said that these are open. Repeating changes nothing."""
        told = {command.id for command in config.commands}
        self._taken = (self._taken & told) | self._under_way
        for command in config.commands:
            if command.id not in self._taken and len(self._under_way) < MOST_AT_ONCE:
                self._taken.add(command.id)
                self._under_way.add(command.id)
                self._waiting.append(command)
                self._came.set()

    async def run(self) -> None:
        """Until cancelled. What an earlier run began is told first: how it ended, or that nobody knows."""
        async with asyncio.TaskGroup() as tasks:
            for begun in await self._left_behind():
                tasks.create_task(self._tell_of(begun))
            while True:
                await self._came.wait()
                self._came.clear()
                while self._waiting:
                    tasks.create_task(self._see_to(self._waiting.popleft()))

    async def _see_to(self, command: Command) -> None:
        try:
            async with self._turns[_concerns(command)]:
                await self._carry_out(command)
        except Exception:
            # One command must not end the recording of everything else. It expires.
            log.exception("command_failed", **_named(command))
        finally:
            self._under_way.discard(command.id)

    async def _carry_out(self, command: Command) -> None:
        if await self._was_begun(command.id):
            return
        answer = await self._tell(command.id, _ACCEPTED)
        if answer is not CommandState.ACCEPTED:
            log.info("command_too_late", **_named(command), state=answer)
            return
        try:
            is_new = await asyncio.to_thread(self._spool.begin, command.id, command.kind.value, self._clock.now())
        except DISK_ERRORS as error:
            # Without a row it might be carried out twice.
            await self._tell(
                command.id, _failed(f"The recorder's disk fails, so nothing was done. {disk_failure(error)}")
            )
            return
        if not is_new:
            return
        log.info("command_begun", **_named(command))
        done = await self._done(command)
        if done is not None:
            result, token = done
            log.info("command_ended", **_named(command), state=result.state, detail=result.detail or None)
            await self._conclude(command.id, result, token)

    async def _was_begun(self, command_id: UUID) -> bool:
        try:
            return await asyncio.to_thread(self._spool.was_begun, command_id)
        except sqlite3.Error:
            return False  # it can't be begun then, either

    async def _done(self, command: Command) -> tuple[CommandResult, SecretStr | None] | None:
        """How it ended, and the token to tell it with; None if the next run is to tell."""
        try:
            done = await self._deeds.carry_out(command)
        except CameraError as error:
            return _failed(f"{str(error).rstrip('.')}. {error.advice}".rstrip()), None
        except RecorderError as error:
            return _failed(str(error)), None
        except DISK_ERRORS as error:
            return _failed(str(disk_failure(error))), None
        except ValidationError as error:
            log.warning("command_result_unusable", **_named(command), problems=error.error_count())
            return _failed("What came out of it can't be told: see the recorder's log."), None
        except Exception:
            log.exception("command_failed", **_named(command))
            return _failed("The recorder failed; see its log."), None
        return None if done is None else (_succeeded(done), done.token)

    async def _conclude(self, command_id: UUID, result: CommandResult, token: SecretStr | None = None) -> None:
        """Tell it until that is known, if need be by the next run."""
        if result.result is None or result.result.snapshot is None:  # no picture is kept on the disk
            await self._on_disk(self._spool.end, command_id, result.model_dump_json(exclude_none=True))
        try:
            await self._tell(command_id, result, token)
        except TokenRefused:
            result = _failed("The control plane refuses the new token.")
            await self._on_disk(self._spool.end, command_id, result.model_dump_json(exclude_none=True))
            await self._tell(command_id, result)
        await self._on_disk(self._spool.mark_told, command_id)

    async def _tell(
        self, command_id: UUID, result: CommandResult, token: SecretStr | None = None
    ) -> CommandState | None:
        """Until it is answered: the state as the control plane has it then; None if it wants to know nothing of it.

        TokenRefused where it is to be told with this token only.
        """
        failures = 0
        while True:
            try:
                return (await self._control_plane.tell_command(command_id, result, token)).state
            except CallRefused as refusal:
                log.warning("command_refused", command_id=str(command_id), state=result.state, reason=str(refusal))
                return None
            except TokenRefused:
                if token is not None:
                    raise
                pause = TOKEN_REFUSED_PAUSE
            except ControlPlaneError:
                failures += 1
                pause = self._backoff.wait(failures)
            await asyncio.sleep(pause.total_seconds())

    async def _left_behind(self) -> list[BegunCommand]:
        try:
            return await asyncio.to_thread(self._spool.untold)
        except sqlite3.Error as error:
            log.warning("commands_unreadable", reason=str(error))
            return []

    async def _tell_of(self, begun: BegunCommand) -> None:
        token = self._deeds.tokens.given_by(begun.id)
        if begun.result is not None:
            result = _read(begun.result)
        elif begun.kind == CommandKind.RESTART or token is not None:
            result = CommandResult(state=CommandState.DONE)
        else:
            result = _failed(_INTERRUPTED)
        await self._conclude(begun.id, result, token if result.state is CommandState.DONE else None)

    async def _on_disk(self, write: Callable[..., None], *arguments: object) -> None:
        try:
            await asyncio.to_thread(write, *arguments)
        except DISK_ERRORS as error:
            # What can't be written is told once more after a restart, which changes nothing there.
            log.warning("command_not_written", reason=str(disk_failure(error)))


def _concerns(command: Command) -> Hashable:
    """Commands that concern the same wait for each other."""
    if command.camera_id is None:
        return command.kind
    return command.camera_id, command.kind in _RECORDING


def _named(command: Command) -> dict[str, str | None]:
    return {
        "command_id": str(command.id),
        "command": command.kind.value,
        "camera_id": str(command.camera_id) if command.camera_id is not None else None,
    }


def _read(result: str) -> CommandResult:
    try:
        return CommandResult.model_validate_json(result)
    except ValidationError:
        return _failed(_INTERRUPTED)  # of another version


def _failed(detail: str) -> CommandResult:
    return CommandResult(state=CommandState.FAILED, detail=storable(detail)[:_DETAIL_CHARACTERS])


def _succeeded(done: Done) -> CommandResult:
    return CommandResult(state=CommandState.DONE, detail=done.detail, result=done.outcome)
