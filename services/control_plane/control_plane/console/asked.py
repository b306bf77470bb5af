"""How commands are written for people: what was asked, how far it is, what came of it."""

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup
from pydantic import ValidationError
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.commands import CameraTested, CommandKind, CommandState, Recorded
from control_plane.commands.states import state_of
from control_plane.console import display
from control_plane.models import Command

SHOWN = 5
TITLES = {
    CommandKind.START_RECORDING: "Record now",
    CommandKind.STOP_RECORDING: "Stop recording",
    CommandKind.TEST_CAMERA: "Test camera",
    CommandKind.SNAPSHOT: "Snapshot",
    CommandKind.ROTATE_TOKEN: "New token for the recorder",
    CommandKind.RESTART: "Restart",
}
_STATES = {
    CommandState.ASKED: ("waits for the recorder", "azure"),
    CommandState.ACCEPTED: ("the recorder is at it", "azure"),
    CommandState.DONE: ("done", "green"),
    CommandState.FAILED: ("failed", "red"),
    CommandState.EXPIRED: ("not answered", "yellow"),
}


def state_badge(state: CommandState) -> Markup:
    """The state as a coloured word."""
    return display.badge(*_STATES[state])


async def newest(
    session: AsyncSession, which: ColumnElement[bool], now: datetime
) -> Sequence[tuple[Command, str, Markup]]:
    """The newest that were asked, each with its title and its state."""
    found = await session.scalars(
        select(Command).where(which).order_by(Command.asked_at.desc(), Command.id.desc()).limit(SHOWN)
    )
    return [(command, TITLES[command.kind], state_badge(state_of(command, now))) for command in found]


def found(command: Command) -> list[tuple[str, str]]:
    """What came of it, as names and values; nothing where nothing is known, or it can't be read."""
    result = command.result or {}
    try:
        if "camera" in result:
            return _tested(CameraTested.model_validate(result["camera"]))
        if "recording" in result:
            recorded = Recorded.model_validate(result["recording"])
            return [("Ends", f"{recorded.until:%Y-%m-%d %H:%M:%S} UTC")] if recorded.until else []
    except ValidationError:
        return []
    return []


def taken_at(command: Command) -> datetime | None:
    """When the picture was taken that it brought; None if it brought none."""
    try:
        return datetime.fromisoformat((command.result or {})["snapshot"]["taken_at"])
    except (KeyError, TypeError, ValueError):
        return None


def _tested(camera: CameraTested) -> list[tuple[str, str]]:
    frames = "" if camera.frames_per_second is None else f", {camera.frames_per_second:g} frames/s"
    lines = [
        ("Picture", f"{camera.codec}, {camera.width} x {camera.height}{frames}"),
        ("Sound", camera.audio or "none"),
        ("Transport", camera.transport.upper() or "–"),
    ]
    if camera.seconds_to_keyframe is not None:
        lines.append(("First keyframe after", f"{camera.seconds_to_keyframe:.1f} s"))
    if camera.is_recording:
        lines.append(("Seen in", "the recording that is running"))
    return lines
