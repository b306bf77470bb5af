"""What recorders noticed about a camera's picture, as people look at it."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.console import display
from control_plane.models import Event
from control_plane.recordings.scene_events import PREFIX

SHOWN = 10
TITLES = {
    "covered": "covered or dark",
    "frozen": "picture stands still",
    "smart_codec": "smart codec switched on",
}


@dataclass(frozen=True, slots=True)
class Noticed:
    """One stretch in which a camera's picture was not as usual."""

    title: str
    begin: datetime
    end: datetime | None
    """None while it is on."""
    numbers: str

    @property
    def length(self) -> timedelta | None:
        """How long it took, once it is over."""
        return self.end - self.begin if self.end is not None else None


async def noticed(session: AsyncSession, camera_id: uuid.UUID) -> list[Noticed]:
    """The newest of a camera."""
    events = await session.scalars(
        select(Event)
        .where(Event.subject_id == camera_id, Event.kind.startswith(PREFIX, autoescape=True))
        .order_by(Event.occurred_at.desc(), Event.id.desc())
        .limit(SHOWN)
    )
    return [_noticed(event) for event in events]


def figures(numbers: Any) -> str:
    """As in `keyframe 4.1 kB, delta 88 B`; the unit is in each name."""
    if not isinstance(numbers, dict):
        return ""
    return ", ".join(_figure(name, numbers[name]) for name in sorted(numbers, reverse=True))


def _noticed(event: Event) -> Noticed:
    kind = event.kind.removeprefix(PREFIX)
    seen, usual = figures(event.detail.get("seen")), figures(event.detail.get("usual"))
    text = f"{seen}; usually {usual}" if seen and usual else seen
    return Noticed(TITLES.get(kind, display.words(kind)), event.occurred_at, _instant(event.detail.get("end")), text)


def _figure(name: str, value: Any) -> str:
    what, _, unit = name.rpartition("_")
    if not isinstance(value, int | float):
        return ""
    match unit:
        case "bytes":
            return f"{display.words(what)} {display.size(round(value))}"
        case "seconds":
            return (
                f"{display.words(what)} every {value:g} s"
                if what == "keyframe"
                else f"{display.words(what)} {value:g} s"
            )
        case _:
            return f"{display.words(name)} {value:g}"


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)) if text else None
    except ValueError:
        return None
