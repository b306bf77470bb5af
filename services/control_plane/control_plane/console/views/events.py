"""The audit in the console: who changed what, and when."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar

from markupsafe import Markup
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from control_plane.console import display
from control_plane.console.filters import ChoiceFilter, DayFilter, ObjectFilter
from control_plane.console.scenes import figures
from control_plane.console.sessions import operator_of
from control_plane.console.views.keyset import KeysetView
from control_plane.models import Event, Role

_SUBJECTS = ("site", "client", "camera", "schedule", "recording", "operator", "api_key", "login")
_OF_THE_FLEET = ("site", "client", "camera", "schedule", "recording")
_BY = {
    "operator:": "Operators",
    "api_key:": "API keys",
    "control-plane": "The control plane and its commands",
    "client:": "Recorders",
    "nobody": "Nobody: refused logins",
}
_DONE = ("created", "changed", "deleted", "exported", "revoked")
_PAGES = {name: name for name in (*_OF_THE_FLEET, "operator")} | {"api_key": "api-key"}
_LONGEST_DETAIL = 2000
_SHORT = 3


async def _subject(_session: AsyncSession, id_: uuid.UUID) -> str:
    return f"{str(id_)[:8]}…"


class EventView(KeysetView, model=Event):
    """Every event: changes, and what lasts."""

    name = "Audit event"
    name_plural = "Audit"
    icon = "ti ti-history"
    explanation = (
        "Every change made here, through the API or by a command, what the control plane deleted and missed by itself, "
        "and what recorders noticed in cameras' pictures, "
        "newest first. Secrets are never kept here."
    )
    can_view_details = False
    key = (Event.occurred_at, Event.id)

    column_list = ["occurred_at", "kind", "subject", "actor", "address", "detail"]
    column_labels = {
        "occurred_at": "When",
        "kind": "What",
        "subject": "About",
        "actor": "Who",
        "address": "From where",
        "detail": "Before and after",
    }
    column_searchable_list = ["actor", "address"]
    console_filters = (
        ChoiceFilter("by", "By", _BY, lambda value: Event.actor.startswith(value, autoescape=True)),
        ChoiceFilter(
            "done",
            "Done",
            {one: one.capitalize() for one in _DONE},
            lambda value: Event.kind.endswith(f".{value}", autoescape=True),
        ),
        DayFilter("from", "From", lambda day: Event.occurred_at >= _begin_of(day)),
        DayFilter("to", "To", lambda day: Event.occurred_at < _begin_of(day) + timedelta(days=1)),
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
        "subject": lambda event, _, request: _about(event, request),
        "kind": lambda event, _: _kind(event.kind),
        "actor": lambda event, _: _actor(event.actor),
        "address": lambda event, _: event.address or display.nothing(),
        "detail": lambda event, _: _detail(event),
    }

    def base_query(self) -> Select[Any]:
        """Events."""
        return select(Event)

    def list_query(self, request: Request) -> Select[Any]:
        """What was done to operators and keys, and who logged in from where, is an admin's to read."""
        query = super().list_query(request)
        if operator_of(request).role.includes(Role.ADMIN):
            return query
        return query.where(Event.subject_type.in_(_OF_THE_FLEET))

    def search_placeholder(self) -> str:
        """What is searched."""
        return "who or from where"


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _kind(kind: str) -> str:
    """`client.token_rotated` as `client token rotated`."""
    return display.words(kind.replace(".", " "))


def _actor(actor: str) -> str:
    kind, _, name = actor.partition(":")
    return {"operator": name, "api_key": f"API key {name}", "client": f"recorder {name}"}.get(kind, actor)


def _detail(event: Event) -> Any:
    lines = [_change(name, value) for name, value in event.detail.items()] if event.subject_type != "login" else []
    if len(lines) <= _SHORT:
        return Markup("<br>").join(lines) or display.nothing()
    return Markup("<details><summary>{}</summary>{}</details>").format(
        f"{len(lines)} fields", Markup("<br>").join(lines)
    )


def _change(name: str, value: Any) -> Markup:
    label = Markup('<span class="text-secondary">{}:</span> ').format(display.words(name))
    if isinstance(value, dict) and set(value) == {"before", "after"}:
        return label + f"{_text(value['before'])} → {_text(value['after'])}"
    return label + _text(value)


def _text(value: Any) -> str:
    match value:
        case None | "" | []:
            return "–"
        case dict():
            return figures(value)[:_LONGEST_DETAIL] or str(value)[:_LONGEST_DETAIL]
        case list():
            return ", ".join(_text(one) for one in value)[:_LONGEST_DETAIL]
        case _:
            return str(value)[:_LONGEST_DETAIL]


def _about(event: Event, request: Request) -> Any:
    """The subject, as a link to its page; what was deleted leads to a page that says so."""
    name = event.detail.get("name") or event.detail.get("username")
    text = f"{display.words(event.subject_type)} {name if isinstance(name, str) else str(event.subject_id)[-8:]}"
    if event.subject_type not in _PAGES:
        return display.words(event.subject_type)
    return display.link(
        request.url_for("admin:details", identity=_PAGES[event.subject_type], pk=str(event.subject_id)), text
    )
