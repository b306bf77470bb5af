"""Events as people look at them: what was wrong with which recorder or camera, since when, and why."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from markupsafe import Markup
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request

from control_plane.console import display
from control_plane.console.scenes import TITLES, figures
from control_plane.liveness.kinds import Kind
from control_plane.models import Event
from control_plane.recordings.scene_events import PREFIX

SHOWN = 8
MOST_COUNTED = 1000
_KINDS = {
    Kind.OFFLINE: "recorder offline",
    Kind.DISK: "recorder's disk",
    Kind.CLOCK: "recorder's clock",
    Kind.VERSION: "recorder's version",
    Kind.BACKLOG: "backlog grows",
    Kind.AT_RISK: "footage at risk",
    Kind.DOWN: "camera down",
    Kind.NOT_RECORDING: "due, but not recording",
}
KINDS = {str(kind): title for kind, title in _KINDS.items()} | {PREFIX + kind: title for kind, title in TITLES.items()}
"""What can be filtered by; a newer recorder may tell of others."""


def title(event: Event) -> str:
    """What was wrong, in words."""
    return KINDS.get(event.kind) or display.words(event.kind.partition(".")[2])


def about(event: Event, request: Request) -> Markup:
    """The recorder or camera, as a link to its page; what was deleted leads to a page that says so."""
    name = event.detail.get("name")
    text = name if isinstance(name, str) else f"{event.subject_type} {str(event.subject_id)[-8:]}"
    return display.link(request.url_for("admin:details", identity=event.subject_type, pk=str(event.subject_id)), text)


def state(event: Event, now: datetime) -> Markup:
    """Whether it goes on, and for how long it did."""
    length = display.duration((event.ended_at or now) - event.occurred_at)
    return display.badge(f"for {length}", "red") if event.ended_at is None else display.badge(length, "secondary")


def reason(event: Event) -> str:
    """Why, for a person."""
    detail = event.detail
    match event.kind:
        case Kind.AT_RISK:
            return _loss(detail)
        case Kind.BACKLOG:
            return f"{detail.get('segments')} segments wait, {display.size(_number(detail.get('bytes')))}"
        case Kind.VERSION:
            return f"{detail.get('recorder')}, the control plane {detail.get('control_plane')}: {detail.get('reason')}"
        case Kind.DOWN:
            return ": ".join(str(detail[name]) for name in ("condition", "reason") if detail.get(name))
        case _:
            return str(detail.get("reason") or _figures(detail))


async def going_on(session: AsyncSession, visible: Any) -> tuple[Sequence[Event], int]:
    """The newest that go on, of those that are `visible`, and how many there are."""
    query: Select[Any] = select(Event).where(Event.is_lasting, Event.ended_at.is_(None), visible)
    counted = query.with_only_columns(Event.id).limit(MOST_COUNTED).subquery()
    count = await session.scalar(select(func.count()).select_from(counted))
    newest = query.order_by(Event.occurred_at.desc(), Event.id.desc()).limit(SHOWN)
    return (await session.scalars(newest)).all(), count or 0


def _loss(detail: dict[str, Any]) -> str:
    needed = detail.get("needed_bytes_per_second")
    saves = (
        f"{display.bits(needed)} of uplink would save it"
        if isinstance(needed, int | float)
        else "no uplink in its upload hours would save it: lengthen them"
    )
    try:
        loss_at = f"{datetime.fromisoformat(str(detail.get('loss_at'))):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return saves
    return f"the first is lost at {loss_at}; {saves}"


def _figures(detail: dict[str, Any]) -> str:
    seen, usual = figures(detail.get("seen")), figures(detail.get("usual"))
    return f"{seen}; usually {usual}" if seen and usual else seen


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
