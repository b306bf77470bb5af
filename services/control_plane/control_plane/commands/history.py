"""The audit rows of commands: one when it is asked, one when it is over."""

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.events import Actor, record_event
from control_plane.models import Command


def record_command(session: AsyncSession, command: Command, what: str, actor: Actor, **more: object) -> None:
    """The audit row: of the camera that it is about, else of the recorder."""
    subject = "client" if command.camera_id is None else "camera"
    detail = {"command_id": command.id, "command": command.kind, "client_id": command.client_id}
    told = {name: value for name, value in more.items() if value not in (None, "")}
    record_event(session, subject, command.camera_id or command.client_id, f"{subject}.{what}", actor, detail | told)
