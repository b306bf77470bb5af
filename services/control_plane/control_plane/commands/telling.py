"""What stands in a recorder's configuration of the commands that are open."""

import uuid
from collections.abc import Sequence
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import ScalarSelect, func, select

from camfleet_contract.commands import Command as Told
from control_plane.commands.states import is_open
from control_plane.models import Command
from control_plane.security.secrets import SecretBox, SecretUnreadableError

log = structlog.get_logger()


def open_commands(client_id: uuid.UUID) -> ScalarSelect[Any]:
    """As a JSON array, for `as_told`: part of the query for a client's configuration.

    What has expired goes with the next change: the answer to `accepted` says that it is too late.
    """
    shown = func.jsonb_build_object(
        "id", Command.id, "kind", Command.kind, "camera_id", Command.camera_id, "minutes", Command.minutes,
        "expires_at", Command.expires_at,
        # Fernet's tokens are ASCII.
        "token", func.convert_from(Command.secret_encrypted, "UTF8"),
    )  # fmt: skip
    return select(func.jsonb_agg(shown)).where(Command.client_id == client_id, is_open()).scalar_subquery()


def as_told(rows: Sequence[dict[str, Any]], secrets: SecretBox) -> list[Told]:
    """The commands, oldest first."""
    told = [command for row in rows if (command := _as_told(row, secrets))]
    return sorted(told, key=lambda command: command.id)


def _as_told(row: dict[str, Any], secrets: SecretBox) -> Told | None:
    try:
        token = secrets.decrypt(row["token"].encode()) if row["token"] else None
        return Told.model_validate(row | {"token": token})
    except (SecretUnreadableError, ValidationError) as error:
        # It expires, and can be asked again; the recorder must get all the rest.
        log.error("command_unreadable", command_id=row["id"], error=type(error).__name__)  # noqa: TRY400 - a traceback says no more
        return None
