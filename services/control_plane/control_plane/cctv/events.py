"""`events/`: what was wrong with recorders and cameras, each from its begin to its end."""

import uuid
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import select

from camfleet_contract.messages import Utc
from control_plane.cctv.answers import Answer
from control_plane.cctv.callers import KeyRoute, Viewer
from control_plane.cctv.paging import Limit, Page, TimeCursor, page_by_time
from control_plane.database import Session
from control_plane.fleet.visibility import of_events
from control_plane.models import Event

router = APIRouter(route_class=KeyRoute, tags=["events"])


class EventAnswer(Answer):
    """Something that was wrong for a while, or still is."""

    id: UUID
    kind: Annotated[str, Field(examples=["camera.down"])]
    """`client.offline`, `client.disk`, `client.clock`, `client.version`, `client.backlog`, `client.footage_at_risk`,
    `camera.down` or `camera.not_recording`; what recorders notice themselves begins with `scene.` or `recorder.`."""
    subject_type: Annotated[str, Field(examples=["camera"])]
    """`client` or `camera`."""
    subject_id: UUID
    site_id: UUID | None
    """Where it was; null for what has been deleted since."""
    began_at: datetime
    ended_at: datetime | None
    """null while it goes on."""
    detail: Annotated[
        dict[str, Any], Field(examples=[{"name": "Yard", "condition": "unreachable", "reason": "no route to host"}])
    ]
    """The name of the recorder or camera as it was then, a reason for a person, and what else belongs to the kind."""

    @classmethod
    def of(cls, event: Event) -> "EventAnswer":
        kept = {name: getattr(event, name) for name in cls.model_fields if name != "began_at"}
        return cls(**kept, began_at=event.occurred_at)


@router.get("/events/")
async def list_events(
    session: Session,
    caller: Viewer,
    is_open: Annotated[bool | None, Query(description="Whether it still goes on.")] = None,
    kind: Annotated[
        str | None, Query(pattern=r"^[a-z]+\.[a-z0-9_]+$", max_length=64, description="As in `camera.down`.")
    ] = None,
    site_id: UUID | None = None,
    client_id: UUID | None = None,
    camera_id: UUID | None = None,
    began_after: Annotated[Utc | None, Query(description="From this instant on.")] = None,
    began_before: Annotated[Utc | None, Query(description="Until before this instant.")] = None,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[EventAnswer]:
    """List what was wrong, what began last first. Changes that somebody made are no events in this sense."""
    query = select(Event).where(Event.is_lasting, of_events(caller))
    subjects: list[uuid.UUID] = [one for one in (client_id, camera_id) if one is not None]
    query = query.where(*(Event.subject_id == one for one in subjects))
    if is_open is not None:
        query = query.where(Event.ended_at.is_(None) if is_open else Event.ended_at.is_not(None))
    if kind is not None:
        query = query.where(Event.kind == kind)
    if site_id is not None:
        query = query.where(Event.site_id == site_id)
    if began_after is not None:
        query = query.where(Event.occurred_at >= began_after)
    if began_before is not None:
        query = query.where(Event.occurred_at < began_before)
    keys = (Event.occurred_at, Event.id)
    found, next_cursor = await page_by_time(session, query, keys, cursor, limit, newest_first=True)
    return Page(items=[EventAnswer.of(event) for event in found], next_cursor=next_cursor)
