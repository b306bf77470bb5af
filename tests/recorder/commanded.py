"""The part of a recorder that carries out commands, beside a control plane that asks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import SecretStr
from uuid_utils.compat import uuid7

from camfleet_contract.commands import Command, CommandKind
from camfleet_contract.configuration import RecorderConfig
from recorder.backoff import Backoff
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.clock import SystemClock
from recorder.commands import Commands
from recorder.config import read_config
from recorder.control_plane import ControlPlane
from recorder.deeds import Deeds
from recorder.looks import Looks
from recorder.spool import Spool
from recorder.tokens import Tokens
from tests.recorder.control_plane import TOKEN, FakeControlPlane

QUICK = Capturing(open_seconds=3, read_seconds=2)
BACKOFF = Backoff(timedelta(milliseconds=1), timedelta(milliseconds=20))
OWN = SecretStr(TOKEN)


def command(kind: CommandKind, camera_id: UUID | None = None, **more: object) -> Command:
    expires_at = datetime.now(UTC) + timedelta(minutes=1)
    return Command.model_validate(
        {"id": uuid7(), "kind": kind, "camera_id": camera_id, "expires_at": expires_at} | more
    )


@dataclass
class Box:
    """The part of a recorder that commands concern."""

    fake: FakeControlPlane
    spool: Spool
    cameras: Cameras
    tokens: Tokens
    control_plane: ControlPlane
    is_started_again: bool = True
    restarts: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def commands(self) -> AsyncIterator[Commands]:
        """One run of the recorder."""
        deeds = Deeds(
            self.cameras,
            Looks(self.cameras, QUICK, SystemClock(), self.spool),
            self.tokens,
            restart=lambda: self.restarts.append("asked"),
            is_started_again=self.is_started_again,
        )
        commands = Commands(self.control_plane, self.spool, deeds, clock=SystemClock(), backoff=BACKOFF)
        task = asyncio.create_task(commands.run())
        try:
            yield commands
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def asked(self, *commands: Command) -> RecorderConfig:
        """The configuration with these in it."""
        self.fake.ask(*commands)
        return read_config(self.fake.document)
