"""How a trouble begins, lasts and ends: from one look to the next. Pure; PostgreSQL keeps it in between."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from uuid_utils.compat import uuid7

from control_plane.liveness.kinds import PATIENCE, Kind, Patience

Key = tuple[Kind, uuid.UUID]


class Look(StrEnum):
    """What can be told of one kind of trouble of one subject now."""

    WRONG = "wrong"
    UNKNOWN = "unknown"
    """It neither begins nor ends: whoever would know is away."""
    RIGHT = "right"
    GONE = "gone"
    """Nobody asks any more: the subject was deleted or taken out of service."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One look at one subject for one kind of trouble."""

    key: Key
    look: Look
    since: datetime | None = None
    """When it began, where that is known better than by looking."""
    not_before: datetime | None = None
    """It isn't told earlier."""
    detail: Mapping[str, object] = field(default_factory=dict)
    """For the event, as JSON has it; never a secret."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What was seen and is not over."""

    key: Key
    began_at: datetime
    clear_since: datetime | None = None
    """Since when it was not seen; None while it is."""
    event_id: uuid.UUID | None = None
    """None: not told yet."""

    @property
    def is_told(self) -> bool:
        """Whether there is an event of it."""
        return self.event_id is not None


@dataclass(frozen=True, slots=True)
class Begin:
    """An event to write."""

    trouble: Trouble
    detail: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class End:
    """An event that is over."""

    trouble: Trouble
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be written after one look at everything."""

    kept: list[Trouble]
    """New ones, and those that are otherwise than before."""
    over: list[Trouble]
    begins: list[Begin]
    ends: list[End]


def changes(known: Mapping[Key, Trouble], verdicts: Iterable[Verdict], now: datetime) -> Changes:
    """What one look at everything changes. A verdict for each trouble that is known, and any others."""
    found = Changes([], [], [], [])
    for verdict in verdicts:
        before = known.get(verdict.key)
        after = step(before, verdict, now)
        if after is None:
            if before is not None:
                found.over.append(before)
                if before.is_told:
                    found.ends.append(End(before, before.clear_since or now))
            continue
        if after != before:
            found.kept.append(after)
        if after.is_told and not (before and before.is_told):
            found.begins.append(Begin(after, verdict.detail))
    return found


def step(before: Trouble | None, verdict: Verdict, now: datetime) -> Trouble | None:
    """The trouble after one look; None if there is none, or if it is over."""
    match verdict.look:
        case Look.WRONG:
            return _told_in_time(_seen(before, verdict, now), verdict, now)
        case Look.UNKNOWN:
            return before
        case Look.RIGHT:
            return _cleared(before, now)
        case Look.GONE:
            return None


def _seen(before: Trouble | None, verdict: Verdict, now: datetime) -> Trouble:
    if before is not None:
        return replace(before, clear_since=None)
    return Trouble(verdict.key, min(verdict.since or now, now))


def _told_in_time(trouble: Trouble, verdict: Verdict, now: datetime) -> Trouble:
    is_due = now - trouble.began_at >= _patience(trouble).grace and now >= (verdict.not_before or now)
    return replace(trouble, event_id=uuid7()) if is_due and not trouble.is_told else trouble


def _cleared(before: Trouble | None, now: datetime) -> Trouble | None:
    if before is None:
        return None
    since = before.clear_since or now
    wait = _patience(before).calm if before.is_told else _patience(before).grace
    return None if now - since >= wait else replace(before, clear_since=since)


def _patience(trouble: Trouble) -> Patience:
    return PATIENCE[trouble.key[0]]
