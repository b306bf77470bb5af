"""What recorders notice about cameras' pictures and about themselves, reported any number of times."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import case, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.batches import Unreadable
from camfleet_contract.events import Event, EventVerdict
from control_plane import models
from control_plane.recordings.cameras import cameras_of
from control_plane.recordings.moments import IMPLAUSIBLE, is_plausible

PREFIX, OWN_PREFIX = "scene.", "recorder."
"""Of their kinds, so that a recorder can't write what reads like a change that somebody made."""

_TOLD_BY_HEARTBEATS = "footage_at_risk"
"""Of recorders: what heartbeats say begins and ends an event of that kind, which outlives a recorder's restart."""

_Key = tuple[uuid.UUID, datetime, uuid.UUID]


async def take_in_events(
    session: AsyncSession, client_id: uuid.UUID, address: str | None, reported: Sequence[Event | Unreadable]
) -> list[EventVerdict]:
    """Store what can be stored, in two statements, and say of each event what became of it."""
    events = [event for event in reported if isinstance(event, Event)]
    cameras = await cameras_of(session, client_id, {event.camera_id for event in events if event.camera_id})
    # One row a key: a statement can't write the same row twice. The last report of an event counts.
    wanted = {_key(event, client_id): event for event in events if not _refusal(event, cameras)}
    stored = await _upsert(session, client_id, address, [wanted[key] for key in sorted(wanted)])

    def verdict(event: Event | Unreadable) -> EventVerdict:
        reason = event.reason if isinstance(event, Unreadable) else _refusal(event, cameras)
        if not reason and isinstance(event, Event) and _key(event, client_id) not in stored:
            reason = "this id is another's"
        return EventVerdict(id=event.id, verdict="refused" if reason else "stored", reason=reason)

    return [verdict(event) for event in reported]


def _refusal(event: Event, cameras: set[uuid.UUID]) -> str:
    if event.camera_id is not None and event.camera_id not in cameras:
        return "this camera is not assigned to this client"
    if not is_plausible(event.begin) or not (event.end is None or is_plausible(event.end)):
        return f"begin and end {IMPLAUSIBLE}"
    return ""


def _key(event: Event, client_id: uuid.UUID) -> _Key:
    return event.camera_id or client_id, event.begin, event.id


async def _upsert(
    session: AsyncSession, client_id: uuid.UUID, address: str | None, events: Sequence[Event]
) -> set[_Key]:
    if not events:
        return set()
    table = models.Event
    statement = insert(table).values(
        [
            {
                "subject_id": event.camera_id or client_id,
                "occurred_at": event.begin,
                "id": event.id,
                "subject_type": "camera" if event.camera_id else "client",
                "kind": (PREFIX if event.camera_id else OWN_PREFIX) + event.kind,
                "actor": f"client:{client_id}",
                "address": address,
                "is_lasting": event.camera_id is not None or event.kind != _TOLD_BY_HEARTBEATS,
                "ended_at": event.end,
                "detail": event.model_dump(mode="json", include={"end", "usual", "seen"}),
            }
            for event in events
        ]
    )
    end = table.detail["end"].astext
    told = statement.on_conflict_do_update(
        index_elements=[table.subject_id, table.occurred_at, table.id],
        # A repeat of its beginning that arrives late must not make an event that is over go on.
        set_={
            "detail": case((end.is_(None), statement.excluded.detail), else_=table.detail),
            "ended_at": func.coalesce(table.ended_at, statement.excluded.ended_at),
        },
        where=(table.actor == statement.excluded.actor) & (table.kind == statement.excluded.kind),
    )
    rows = await session.execute(told.returning(table.subject_id, table.occurred_at, table.id))
    return {(row.subject_id, row.occurred_at, row.id) for row in rows}
