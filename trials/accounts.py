"""One camera's account: every second that was due is footage or a gap with its cause, and none is both."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

from demo.proof import Stretch, common, merged, seconds
from recorder.coverage import SMALLEST

_ROUNDING = timedelta(milliseconds=50)
"""Less than two frames: that recovered footage is told frame by frame, and a gap by the clock."""


@dataclass(frozen=True, slots=True)
class Account:
    """Seconds of one camera, as the control plane has them."""

    name: str
    due: float
    recorded: float
    missing: float
    """Of reported gaps."""
    doubled: float
    """Of gaps that overlap footage, of segments or gaps that overlap each other."""
    unexplained: float
    """Neither footage nor gap, in holes longer than the recorder reports."""
    worst_hole: float
    hollow: float
    """Seconds of segments that their pictures don't fill."""
    events: int
    """Stretches of gaps that touch each other: what happened to the camera."""
    causes: dict[str, float]
    odd: list[str]
    """What is wrong, stretch by stretch."""

    @property
    def error(self) -> float:
        """By how much due differs from recorded and missing together."""
        return self.due - self.recorded - self.missing

    @property
    def holds(self) -> bool:
        """To within a second an event, and without a hole of a second."""
        allowed = float(max(self.events, 1))
        return max(abs(self.error), self.doubled, self.hollow) <= allowed and self.worst_hole <= 1

    def as_json(self) -> dict[str, Any]:
        """The account and what follows from it."""
        return {
            **{key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(self).items()},
            "causes": {cause: round(value, 3) for cause, value in sorted(self.causes.items())},
            "error": round(self.error, 3),
            "holds": self.holds,
        }


def account(
    name: str,
    due: Stretch,
    segments: list[dict[str, Any]],
    gaps: list[dict[str, Any]],
    frames_per_second: int,
) -> Account:
    """From the control plane's rows. Only what lies in `due` counts."""
    footage = [(row["started_at"], row["ended_at"]) for row in segments]
    missing = [(row["started_at"], row["ended_at"]) for row in gaps]
    all_footage, all_missing = common(merged(footage), [due]), common(merged(missing), [due])
    both = common(all_footage, all_missing)
    twice = [*_overlaps(footage), *_overlaps(missing)]
    holes = [hole for hole in _holes(due, merged([*all_footage, *all_missing])) if hole[1] - hole[0] > SMALLEST]
    hollow = [(row, _unfilled(row, frames_per_second)) for row in segments]
    causes: dict[str, float] = {}
    for row in gaps:
        lasted = seconds(common([(row["started_at"], row["ended_at"])], [due]))
        causes[row["cause"]] = causes.get(row["cause"], 0.0) + lasted
    return Account(
        name=name,
        due=seconds([due]),
        recorded=seconds(all_footage),
        missing=seconds(all_missing),
        doubled=seconds(both) + seconds(twice),
        unexplained=seconds(holes),
        worst_hole=max((seconds([hole]) for hole in holes), default=0.0),
        hollow=sum(unfilled for _, unfilled in hollow if unfilled > 0),
        events=len(all_missing),
        causes=causes,
        odd=[*_told("footage and gap", both), *_told("twice", twice), *_told("neither", holes), *_hollow(hollow)],
    )


def _unfilled(segment: dict[str, Any], frames_per_second: int) -> float:
    lasts: timedelta = segment["ended_at"] - segment["started_at"]
    return lasts.total_seconds() - int(segment["packets"]) / frames_per_second


def _hollow(segments: list[tuple[dict[str, Any], float]]) -> list[str]:
    return [
        f"without pictures: {unfilled:.2f} s of {row['started_at']:%H:%M:%S} to {row['ended_at']:%H:%M:%S}"
        for row, unfilled in segments
        if abs(unfilled) > SMALLEST.total_seconds()
    ]


def _overlaps(stretches: list[Stretch]) -> list[Stretch]:
    ordered = sorted(stretches)
    return [(after[0], min(before[1], after[1])) for before, after in pairwise(ordered) if after[0] < before[1]]


def _holes(due: Stretch, known: list[Stretch]) -> list[Stretch]:
    ends = [due[0], *(end for _, end in known)]
    starts = [*(start for start, _ in known), due[1]]
    return [(end, start) for end, start in zip(ends, starts, strict=True) if start > end]


def _told(what: str, stretches: Iterable[Stretch]) -> list[str]:
    return [f"{what}: {start:%H:%M:%S.%f} to {end:%H:%M:%S.%f}" for start, end in stretches if end - start > _ROUNDING]
