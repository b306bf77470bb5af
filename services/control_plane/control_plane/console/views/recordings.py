"""Recordings in the console: what is stored, what is missing, and why."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from markupsafe import Markup
from sqlalchemy import Date, Select, cast, func, or_, select
from sqlalchemy.orm import joinedload
from starlette.requests import Request

from camfleet_contract.recordings import RecordingStatus
from control_plane.console import display
from control_plane.console.filters import ChoiceFilter, DayFilter, ObjectFilter
from control_plane.console.gaps import merged
from control_plane.console.roles import may
from control_plane.console.sessions import operator_of
from control_plane.console.uploads import wanted
from control_plane.console.views.keyset import KeysetView
from control_plane.console.watching import playlist
from control_plane.models import Camera, Client, Fetch, Gap, Recording, Schedule, Segment, SegmentState, Site

_SHOWN_SEGMENTS = 200
_SHOWN_GAPS = 100
_COLOURS = {
    RecordingStatus.SCHEDULED: "secondary",
    RecordingStatus.RECORDING: "green",
    RecordingStatus.COMPLETED: "blue",
    RecordingStatus.FAILED: "red",
    RecordingStatus.STOPPED: "yellow",
}


@dataclass(frozen=True, slots=True)
class Counted:
    """The segments of one recording."""

    stored: int
    deleted: int
    total: int
    size_bytes: int


_NOTHING = Counted(0, 0, 0, 0)


class RecordingView(KeysetView, model=Recording):
    """Recordings."""

    name = "Recording"
    name_plural = "Recordings"
    category = "CCTV"
    icon = "ti ti-movie"
    explanation = "Newest first. A recording is stored when the control plane has seen every segment in the bucket."
    empty_text = "There are no recordings yet. They appear by themselves when a recorder begins one."
    key = (Recording.started_at, Recording.id)

    column_list = ["started_at", "camera", "status", "length", "segments", "size", "client"]
    column_details_list = [
        "status",
        "camera",
        "client",
        "schedule",
        "name",
        "started_at",
        "ended_at",
        "length",
        "segments",
        "size",
        "gcp_path",
        "error",
        "held_at",
        "id",
    ]
    column_labels = {
        "started_at": "Started",
        "ended_at": "Ended",
        "camera": "Camera",
        "client": "Recorder",
        "schedule": "Schedule",
        "name": "Name",
        "status": "Status",
        "length": "Duration",
        "segments": "Segments stored",
        "size": "Size",
        "gcp_path": "Object",
        "error": "Error",
        "held_at": "Held since",
        "id": "Recording id",
    }
    column_searchable_list = ["name"]
    details_template = "console/recording.html"
    console_filters = (
        ChoiceFilter(
            "status",
            "Status",
            {str(one): one.capitalize() for one in RecordingStatus},
            lambda value: Recording.status == value,
        ),
        ChoiceFilter("held", "Held", {"yes": "Held"}, lambda _: Recording.held_at.is_not(None)),
        DayFilter("from", "From", lambda day: (Recording.started_at > _before(day)) & (_local_day() >= day)),
        DayFilter("to", "To", lambda day: (Recording.started_at < _after(day)) & (_local_day() <= day)),
        ObjectFilter(
            "site",
            "Site",
            lambda value: Recording.camera_id.in_(select(Camera.id).where(Camera.site_id == value)),
            lambda s, id_: s.get(Site, id_),
        ),
        ObjectFilter("camera", "Camera", lambda value: Recording.camera_id == value, lambda s, id_: s.get(Camera, id_)),
        ObjectFilter(
            "client", "Recorder", lambda value: Recording.client_id == value, lambda s, id_: s.get(Client, id_)
        ),
        ObjectFilter(
            "schedule", "Schedule", lambda value: Recording.schedule_id == value, lambda s, id_: s.get(Schedule, id_)
        ),
    )
    column_formatters: ClassVar[Any] = {
        "started_at": lambda recording, _: display.moment(recording.started_at, _zone(recording)),
        "ended_at": lambda recording, _: display.moment(recording.ended_at, _zone(recording)),
        "status": lambda recording, _: status(recording),
        "length": lambda recording, _: _length(recording),
        "segments": lambda recording, _, request: _stored_of_total(recording, request),
        "size": lambda recording, _, request: _size(recording, request),
        "gcp_path": lambda recording, _: display.code(recording.gcp_path) if recording.gcp_path else display.nothing(),
        "error": lambda recording, _: _error(recording),
        "held_at": lambda recording, _: (
            display.moment(recording.held_at, _zone(recording)) if recording.held_at else display.nothing()
        ),
    }
    column_formatters_detail = column_formatters

    def base_query(self) -> Select[Any]:
        """Recordings with what they are of."""
        return select(Recording).options(
            joinedload(Recording.camera).joinedload(Camera.site),
            joinedload(Recording.client),
            joinedload(Recording.schedule),
        )

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """Recordings of cameras whose name, or whose site's, contains the term."""
        words = term[:200].strip()
        named = (
            select(Camera.id)
            .join(Site, Site.id == Camera.site_id)
            .where(or_(Camera.name.icontains(words, autoescape=True), Site.name.icontains(words, autoescape=True)))
        )
        return stmt.where(Recording.camera_id.in_(named))

    def search_placeholder(self) -> str:
        """What is searched."""
        return "camera or site"

    async def extras(self, rows: Sequence[Any], request: Request) -> dict[uuid.UUID, Any]:
        """How many segments of each are stored, and how big they are."""
        counts = (
            select(
                Segment.recording_id,
                func.count().filter(Segment.state == SegmentState.STORED),
                func.count().filter(Segment.state == SegmentState.DELETED),
                func.count(),
                func.coalesce(func.sum(Segment.size_bytes), 0),
            )
            .where(Segment.recording_id.in_([recording.id for recording in rows]))
            .group_by(Segment.recording_id)
        )
        async with self.services.sessions() as session:
            return {
                id_: Counted(stored, deleted, total, int(size))
                for id_, stored, deleted, total, size in await session.execute(counts)
            }

    async def details_context(self, request: Request) -> dict[str, Any]:
        """The first segments and gaps by time."""
        recording = request.state.row
        end = recording.ended_at or datetime.now(UTC)
        async with self.services.sessions() as session:
            segments = await session.scalars(
                select(Segment)
                .where(Segment.recording_id == recording.id)
                .order_by(Segment.started_at, Segment.id)
                .limit(_SHOWN_SEGMENTS)
            )
            gaps = await session.scalars(
                select(Gap)
                .where(
                    Gap.camera_id == recording.camera_id,
                    # Reports may come without the recording's id: whatever lies within its time belongs to it.
                    Gap.started_at < end,
                    Gap.started_at >= recording.started_at - timedelta(days=2),
                    or_(
                        Gap.recording_id == recording.id,
                        Gap.recording_id.is_(None) & (Gap.ended_at > recording.started_at),
                    ),
                )
                .order_by(Gap.started_at)
                .limit(_SHOWN_GAPS)
            )
            fetches = await wanted(
                session,
                (Fetch.camera_id == recording.camera_id)
                & (Fetch.client_id == recording.client_id)
                & (Fetch.start_at < end)
                & (Fetch.end_at > recording.started_at),
                datetime.now(UTC),
            )
        total, shown = request.state.extras.get(recording.id, _NOTHING).total, list(segments)
        return {
            "segments": shown,
            "playlist": playlist(request, self.services, recording.id, shown, _zone(recording)),
            "may_watch": any(segment.state is SegmentState.STORED for segment in shown),
            "total": total,
            "gaps": merged(gaps),
            "zone": _zone(recording),
            "may_hold": may(operator_of(request).role, "recording", "hold"),
            "may_export": may(operator_of(request).role, "recording", "export"),
            "may_fetch": may(operator_of(request).role, "recording", "fetch"),
            "fetches": fetches,
        }


def _before(day: date) -> datetime:
    """An instant before the day begins anywhere: the index finds it, `_local_day` decides."""
    return datetime.combine(day, time(), UTC) - timedelta(hours=15)


def _after(day: date) -> datetime:
    """An instant after the day has ended everywhere."""
    return datetime.combine(day, time(), UTC) + timedelta(days=1, hours=15)


def _local_day() -> Any:
    """The day on which a recording began, at its site."""
    zone = (
        select(Site.timezone)
        .join(Camera, Camera.site_id == Site.id)
        .where(Camera.id == Recording.camera_id)
        .correlate(Recording)
        .scalar_subquery()
    )
    return cast(func.timezone(zone, Recording.started_at), Date)


def status(recording: Recording) -> Any:
    """The status as a coloured word."""
    return display.dot(recording.status, _COLOURS[recording.status])


def _zone(recording: Recording) -> str:
    return recording.camera.site.timezone


def _length(recording: Recording) -> str:
    end = recording.ended_at or (datetime.now(UTC) if not recording.status.is_final else recording.started_at)
    return display.duration(end - recording.started_at)


def _stored_of_total(recording: Recording, request: Request) -> Any:
    counted = request.state.extras.get(recording.id, _NOTHING)
    if not counted.total:
        return display.badge("one file", "blue") if recording.gcp_path else display.nothing()
    if counted.deleted == counted.total:
        return display.badge("deleted", "secondary")
    here = counted.total - counted.deleted
    stored = display.badge(f"{counted.stored} of {here}", "green" if counted.stored == here else "yellow")
    return stored + (Markup(" ") + display.badge(f"{counted.deleted} deleted", "secondary") if counted.deleted else "")


def _size(recording: Recording, request: Request) -> Any:
    size = request.state.extras.get(recording.id, _NOTHING).size_bytes or recording.file_size
    return display.size(size) if size else display.nothing()


def _error(recording: Recording) -> Any:
    told = " – ".join(text for text in (recording.error_code, recording.error_message) if text)
    return told or display.nothing()
