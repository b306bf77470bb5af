"""`recordings/{id}/play/` and `download/`: links to the stored segments, signed and soon over."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.cctv.answers import Answer
from control_plane.cctv.callers import KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.paging import Limit, Page, TimeCursor, page_by_time
from control_plane.cctv.refusals import NOT_FOUND
from control_plane.database import Session
from control_plane.events import record_event
from control_plane.media.links import MediaLinks, Use
from control_plane.models import Segment, SegmentState
from control_plane.recordings.holds import find_recording
from control_plane.security.principals import Principal
from control_plane.services import Services, Shared

router = APIRouter(route_class=KeyRoute, tags=["recordings"])


class SegmentLink(Answer):
    """Where a stored segment can be had, for a while."""

    id: UUID
    started_at: datetime
    ended_at: datetime
    codec: str
    size_bytes: int
    url: Annotated[str, Field(examples=["https://cctv.example.com/v0/media/segments/018f….mp4?link=eyJpZ…"])]
    """A secret: whoever has it can read the segment. It understands `Range`."""
    expires_at: datetime


@router.post("/recordings/{recording_id}/play/", responses=NOT_FOUND)
async def play_recording(
    session: Session,
    services: Shared,
    request: Request,
    caller: Viewer,
    recording_id: UUID,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[SegmentLink]:
    """Make links for a player, to the stored segments of a recording, first to last: a page of them at a time.

    Each is good for a quarter of an hour. That somebody asked is an audit event.
    """
    return await _links(session, services, request, caller, recording_id, Use.PLAY, cursor, limit)


@router.post("/recordings/{recording_id}/download/", responses=NOT_FOUND)
async def download_recording(
    session: Session,
    services: Shared,
    request: Request,
    caller: OperatorCaller,
    recording_id: UUID,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[SegmentLink]:
    """Make links to keep the files, as for playing. An export (`cameras/{id}/export/`) also proves what they are."""
    return await _links(session, services, request, caller, recording_id, Use.DOWNLOAD, cursor, limit)


async def _links(
    session: AsyncSession,
    services: Services,
    request: Request,
    caller: Principal,
    recording_id: UUID,
    use: Use,
    cursor: str | None,
    limit: int,
) -> Page[SegmentLink]:
    recording = await find_recording(session, recording_id, seen_by=caller)
    here = Segment.store_url.in_(["", services.store.url])
    query = select(Segment).where(
        Segment.recording_id == recording_id,
        Segment.camera_id == recording.camera_id,
        Segment.state == SegmentState.STORED,
        here,
    )
    keys = (Segment.started_at, Segment.id)
    found, next_cursor = await page_by_time(session, query, keys, cursor, limit, newest_first=False)
    if found:
        detail = {"recording_id": recording_id, "from": found[0].started_at, "until": found[-1].ended_at, "use": use}
        record_event(session, "camera", recording.camera_id, "camera.footage_linked", caller.actor, detail)
    links, now, base = MediaLinks(services.secrets), datetime.now(UTC), _base(services, request)
    items = []
    for segment in found:
        link = links.link(segment, services.store.url, use, now)
        items.append(
            SegmentLink(
                id=segment.id,
                started_at=segment.started_at,
                ended_at=segment.ended_at,
                codec=segment.codec,
                size_bytes=segment.size_bytes,
                url=base + link.path,
                expires_at=link.expires_at,
            )
        )
    return Page(items=items, next_cursor=next_cursor)


def _base(services: Services, request: Request) -> str:
    return services.settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
