"""What was due of a camera: the windows of its schedules, each as it stood at that moment. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from camfleet_contract.cameras import RecordingMode
from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, windows
from camfleet_contract.zones import zone
from control_plane.coverage.spans import Span, common, union, within

_FOR_EVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Said:
    """What a schedule, camera or site said, from when to when."""

    subject_id: UUID
    owner_id: UUID | None
    since: datetime
    until: datetime | None
    values: Mapping[str, Any]

    @property
    def span(self) -> Span:
        """For how long it said so."""
        return self.since, self.until or _FOR_EVER


@dataclass(frozen=True, slots=True)
class History:
    """All that said what was due of one camera."""

    camera: Sequence[Said]
    schedules: Sequence[Said]
    """Those that were this camera's, at any time."""
    sites: Mapping[UUID, Sequence[Said]]
    """Those that it belonged to, at any time."""


class Openings:
    """The windows of rules. Thousands of cameras share a handful of rules, so each is worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, Span], list[Span]] = {}

    def of(self, rule: Mapping[str, Any], timezone: str, span: Span) -> list[Span]:
        """The stretches of `span` that the rule wants."""
        key = (json.dumps(rule, sort_keys=True), timezone, span)
        if (known := self._known.get(key)) is None:
            found = windows(
                ScheduleRule.model_validate(rule), zone_or_utc(timezone), Interval(start=span[0], end=span[1])
            )
            known = self._known[key] = within(((window.start, window.end) for window in found), span)
        return known


def due(history: History, period: Span, openings: Openings) -> list[Span]:
    """What the schedules wanted within the period: only while the camera was active and its recorder's to record.

    Whether it had a recorder doesn't count: a camera that a schedule wants and nobody records is missed.
    """
    found: list[Span] = []
    for camera in history.camera:
        if not camera.values["is_active"] or camera.values["recording_mode"] != RecordingMode.LOCAL_CLIENT:
            continue
        for site in history.sites.get(camera.owner_id, ()) if camera.owner_id else ():
            for schedule in history.schedules:
                if span := common(period, camera.span, site.span, schedule.span):
                    found += openings.of(schedule.values, site.values["timezone"], span)
    return union(found)


def zone_or_utc(name: str) -> ZoneInfo:
    """The zone, or UTC where this machine does not know the name."""
    try:
        return zone(name)
    except ValueError:
        return ZoneInfo("UTC")
