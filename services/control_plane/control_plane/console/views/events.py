"""Events in the console: who changed what, and when."""

import json
import uuid
from typing import Any, ClassVar

from markupsafe import Markup
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.console import display
from control_plane.console.filters import ChoiceFilter, ObjectFilter
from control_plane.console.views.keyset import KeysetView
from control_plane.models import Event

_SUBJECTS = ("site", "client", "camera", "schedule", "recording", "operator", "api_key", "login")
_LONGEST_DETAIL = 2000


async def _subject(_session: AsyncSession, id_: uuid.UUID) -> str:
    return f"{str(id_)[:8]}…"


class EventView(KeysetView, model=Event):
    """Events."""

    name = "Event"
    name_plural = "Events"
    icon = "ti ti-history"
    explanation = "Every change made here, through the API or by a command, newest first. Secrets are never kept here."
    can_view_details = False
    key = (Event.occurred_at, Event.id)

    column_list = ["occurred_at", "kind", "actor", "address", "detail"]
    column_labels = {
        "occurred_at": "When",
        "kind": "What",
        "actor": "Who",
        "address": "From",
        "detail": "Detail",
    }
    column_searchable_list = ["actor"]
    console_filters = (
        ChoiceFilter(
            "about",
            "About",
            {one: one.replace("_", " ").capitalize() for one in _SUBJECTS},
            lambda v: Event.subject_type == v,
        ),
        ObjectFilter("subject", "Only", lambda value: Event.subject_id == value, _subject),
    )
    column_formatters: ClassVar[Any] = {
        "occurred_at": lambda event, _: display.moment(event.occurred_at),
        "address": lambda event, _: event.address or display.nothing(),
        "detail": lambda event, _: _detail(event),
    }

    def base_query(self) -> Select[Any]:
        """Events."""
        return select(Event)

    def search_placeholder(self) -> str:
        """What is searched."""
        return "who"


def _detail(event: Event) -> Any:
    if not event.detail:
        return display.nothing()
    changes = [_change(name, value) for name, value in event.detail.items()]
    return Markup("<br>").join(changes)


def _change(name: str, value: Any) -> Markup:
    label = display.words(name)
    if isinstance(value, dict) and set(value) == {"before", "after"}:
        return Markup('<span class="text-secondary">{}:</span> {} → {}').format(
            label, _text(value["before"]), _text(value["after"])
        )
    return Markup('<span class="text-secondary">{}:</span> {}').format(label, _text(value))


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (text[:_LONGEST_DETAIL] or "–") if value is not None else "–"
