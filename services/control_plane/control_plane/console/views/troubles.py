"""Events in the console: what was wrong with recorders and cameras, each from its begin to its end."""

import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.console import display
from control_plane.console.filters import ChoiceFilter, ObjectFilter, SiteFilter
from control_plane.console.happenings import KINDS, about, reason, state, title
from control_plane.console.views.keyset import KeysetView
from control_plane.models import Camera, Client, Event


async def _subject(session: AsyncSession, id_: uuid.UUID) -> Any:
    return await session.get(Camera, id_) or await session.get(Client, id_)


class TroubleView(KeysetView, model=Event):
    """Events that last."""

    name = "Event"
    name_plural = "Events"
    category = "CCTV"
    icon = "ti ti-alert-triangle"
    explanation = (
        "What was wrong with recorders and cameras, what began last first. One event for each cause: what comes and "
        "goes is one, and hiccups are none."
    )
    empty_text = "Nothing was ever wrong."
    can_view_details = False
    key = (Event.occurred_at, Event.id)

    column_list = ["state", "kind", "about", "reason", "occurred_at", "ended_at"]
    column_labels = {
        "state": "Lasts",
        "kind": "What",
        "about": "About",
        "reason": "Why",
        "occurred_at": "Began",
        "ended_at": "Ended",
    }
    console_filters = (
        ChoiceFilter(
            "state",
            "State",
            {"open": "Goes on", "over": "Over"},
            lambda value: Event.ended_at.is_(None) if value == "open" else Event.ended_at.is_not(None),
        ),
        ChoiceFilter("kind", "Kind", KINDS, lambda value: Event.kind == value),
        SiteFilter(Event.site_id),
        ObjectFilter("subject", "Only", lambda value: Event.subject_id == value, _subject),
    )
    column_formatters: ClassVar[Any] = {
        "state": lambda event, _: state(event, datetime.now(UTC)),
        "kind": lambda event, _: title(event),
        "about": lambda event, _, request: about(event, request),
        "reason": lambda event, _: reason(event) or display.nothing(),
        "occurred_at": lambda event, _: display.moment(event.occurred_at),
        "ended_at": lambda event, _: display.moment(event.ended_at),
    }

    def base_query(self) -> Select[Any]:
        """Events that last."""
        return select(Event).where(Event.is_lasting)

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """By the name that the recorder or camera had."""
        return stmt.where(Event.detail["name"].astext.icontains(term[:200].strip(), autoescape=True))

    def search_placeholder(self) -> str:
        """What is searched."""
        return "recorder or camera"


TroubleView.identity = "trouble"
