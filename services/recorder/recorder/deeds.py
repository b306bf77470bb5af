"""What the recorder does at a command, of each kind."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from pydantic import SecretStr

from camfleet_contract.commands import CameraTested, Command, CommandKind, Outcome, Recorded, Snapshot
from recorder.background import in_background
from recorder.cameras import Cameras
from recorder.errors import NotNow, NotRecording
from recorder.looks import Looks
from recorder.pictures import jpeg_of
from recorder.settings import is_token
from recorder.tokens import Tokens

_NOBODY = "Nobody would start the recorder again: neither systemd nor a container runs it. Restart it at the site."


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended well."""

    outcome: Outcome | None = None
    detail: str = ""
    token: SecretStr | None = field(default=None)
    """What it is to be told with, and nothing else."""


@dataclass(frozen=True, slots=True)
class Deeds:
    """Belongs to the event loop."""

    cameras: Cameras
    looks: Looks
    tokens: Tokens
    restart: Callable[[], None]
    is_started_again: bool
    """Whether somebody starts the recorder when it ends."""

    async def carry_out(self, command: Command) -> Done | None:
        """None where the recorder ends for it: that it was done is told by the next one. RecorderError, OSError."""
        match command.kind, command.camera_id:
            case CommandKind.START_RECORDING, UUID() as camera_id:
                return await self._start(camera_id, timedelta(minutes=command.minutes or 0))
            case CommandKind.STOP_RECORDING, UUID() as camera_id:
                return await self._stop(camera_id)
            case CommandKind.TEST_CAMERA, UUID() as camera_id:
                return await self._test(camera_id)
            case CommandKind.SNAPSHOT, UUID() as camera_id:
                return await self._snapshot(camera_id)
            case CommandKind.ROTATE_TOKEN, _:
                return await self._rotate(command.id, SecretStr(command.token or ""))
            case CommandKind.RESTART, _:
                self._restart()
                return None
        raise NotNow("This recorder does not know what to do.")  # a camera's command without one: nobody can ask so

    async def _start(self, camera_id: UUID, duration: timedelta) -> Done:
        recording = await self.cameras.start_manual(camera_id, duration)
        return Done(Outcome(recording=Recorded(recording_id=recording.id, until=recording.until)))

    async def _stop(self, camera_id: UUID) -> Done:
        recording_id = next((one.id for one in self.cameras.active() if one.camera_id == camera_id), None)
        ends_at = await self.cameras.stop_recording(camera_id)
        if ends_at is None:
            raise NotRecording("Nothing is recorded of this camera now.")
        return Done(Outcome(recording=Recorded(recording_id=recording_id, until=ends_at)))

    async def _test(self, camera_id: UUID) -> Done:
        seen = await self.looks.at(camera_id, counts_frames=True)
        sight = seen.sight
        tested = CameraTested(
            codec=sight.codec,
            width=sight.width,
            height=sight.height,
            frames_per_second=sight.frames_per_second,
            audio=sight.audio,
            transport=seen.stream.transport.value,
            seconds_to_keyframe=seen.seconds_to_keyframe,
            is_recording=seen.is_recording,
        )
        return Done(Outcome(camera=tested))

    async def _snapshot(self, camera_id: UUID) -> Done:
        seen = await self.looks.at(camera_id, counts_frames=False)
        picture = await in_background(f"picture-{camera_id}", lambda: jpeg_of(seen.sight))
        taken_at = seen.sight.arrived_at
        snapshot = Snapshot.of(picture.content, width=picture.width, height=picture.height, taken_at=taken_at)
        return Done(Outcome(snapshot=snapshot))

    async def _rotate(self, command_id: UUID, token: SecretStr) -> Done:
        if not is_token(token.get_secret_value()):
            raise NotNow("The new token is none that a call could carry.")
        await asyncio.to_thread(self.tokens.keep, token, command_id)
        return Done(token=token)

    def _restart(self) -> None:
        if not self.is_started_again:
            raise NotNow(_NOBODY)
        self.restart()
