"""Who changed what: an audit row for every change that is made through the API, the console or a command."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.models import Event


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from where."""

    name: str
    """`operator:NAME`, `api_key:NAME`, `client:ID` or `control-plane`."""
    address: str | None = None


COMMAND_LINE = Actor("control-plane")
"""Whoever runs a `control-plane` command on the machine itself."""


BACKGROUND = Actor("control-plane")
"""A job that the control plane does by itself."""


def record_event(
    session: AsyncSession,
    subject_type: str,
    subject_id: uuid.UUID,
    kind: str,
    actor: Actor,
    detail: Mapping[str, object] | None = None,
    *,
    site_id: uuid.UUID | None = None,
) -> None:
    """Add the row that says that `kind` (as in `camera.changed`) happened. `detail` must not hold a secret.

    The database knows the site of whatever exists; of what was just deleted, `site_id` tells it.
    """
    session.add(
        Event(
            subject_type=subject_type,
            subject_id=subject_id,
            kind=kind,
            actor=actor.name,
            address=actor.address,
            site_id=site_id,
            detail={name: _as_json(value) for name, value in (detail or {}).items()},
        )
    )


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """What differs, as `{"name": {"before": ..., "after": ...}}`: the detail of a change."""
    return {
        name: {"before": _as_json(before.get(name)), "after": _as_json(value)}
        for name, value in after.items()
        if before.get(name) != value
    }


def _as_json(value: object) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            return {str(name): _as_json(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_as_json(item) for item in value]
        case _:
            return str(value)
