"""When frame sizes mean that a scene is covered or frozen, or that a smart codec was switched on: pure.

Thresholds and the measurements behind them are in docs/scene-signals.md. A false alarm is worse than silence.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median

from recorder.scenes.tally import Gop


class Signal(StrEnum):
    """What the sizes show. The values are those of the wire."""

    COVERED = "covered"
    """Keyframes have shrunk strongly and stay small: the lens is covered, or it is dark."""
    FROZEN = "frozen"
    """Every keyframe has the size of the one before and nothing changes between them: the picture stands still."""
    SMART_CODEC = "smart_codec"
    """Keyframes have become rare: a smart codec was switched on."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The thresholds."""

    baseline_gops: int = 120
    learn_every_gops: int = 10
    """What is usual is worked out anew only so often: it costs more than all the rest."""
    least_gops: int = 20
    least_seconds: float = 60.0
    """Nothing is judged before so much of the camera was seen."""
    covered_share: float = 0.30
    uncovered_share: float = 0.50
    """Of the usual keyframe: at most this begins, at least that ends."""
    same_share: float = 0.000_05
    """Keyframes that differ by at most this, or by a byte, have the same size. Noise alone makes seven times that."""
    still_delta_share: float = 0.001
    still_delta_bytes: float = 64.0
    """The frames of a picture that stands still have at most that share of its keyframe, or so few bytes."""
    usually_same: float = 0.2
    """Of the keyframes: where more have the size of the one before, stillness is usual, and no news."""
    stretch: float = 2.0
    stretch_seconds: float = 2.0
    relaxed: float = 1.5
    """Of the usual keyframe distance: at least that many times (and so much more) begins, at most this ends."""
    confirm: Mapping[Signal, tuple[int, float]] = field(
        default_factory=lambda: {Signal.COVERED: (3, 10.0), Signal.FROZEN: (10, 20.0), Signal.SMART_CODEC: (3, 0.0)}
    )
    """So many GOPs in a row, and seconds, begin a signal."""
    clear: tuple[int, float] = (3, 5.0)
    """So many GOPs in a row, and seconds, end it."""
    adopt_after: timedelta = timedelta(hours=12)
    """What lasts longer has become usual: the signal ends, and the camera is learned anew."""
    forget_after: timedelta = timedelta(minutes=10)
    """After a longer pause the camera is learned anew."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for a camera, in the middle of its recent GOPs."""

    keyframe_bytes: float
    delta_bytes: float
    keyframe_seconds: float
    """Nine in ten keyframes come at most so far apart."""
    same: float
    """The share of keyframes that have the size of the one before."""


@dataclass(frozen=True, slots=True)
class Began:
    """A signal is on, with what was usual and what was seen instead."""

    signal: Signal
    at: datetime
    usual: Mapping[str, float]
    seen: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ended:
    """A signal is off again."""

    signal: Signal
    at: datetime


@dataclass(frozen=True, slots=True)
class _Phase:
    """One signal of one camera: off, or on since a moment; and the GOPs in a row that speak for a change."""

    since: datetime | None = None
    usual: Usual | None = None
    """As it was when the signal began."""
    row: tuple[Gop, ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of one camera."""

    sizes: tuple[Gop, ...] = ()
    """The recent GOPs in which nothing was covered or frozen."""
    distances: tuple[float, ...] = ()
    phases: Mapping[Signal, _Phase] = field(default_factory=lambda: dict.fromkeys(Signal, _Phase()))
    last: Gop | None = None
    usual: Usual | None = None
    """As it was worked out last."""
    unlearned_gops: int = 0
    """Since then."""

    @property
    def on(self) -> dict[Signal, datetime]:
        """The signals that are on, and since when."""
        return {signal: phase.since for signal, phase in self.phases.items() if phase.since is not None}


Change = Began | Ended


def observe(scene: Scene, gop: Gop, rules: Rules) -> tuple[Scene, tuple[Change, ...]]:
    """The camera after its next GOP, and which signals began or ended by it."""
    scene, changes = _forget_old(scene, gop, rules)
    usual, unlearned = scene.usual, scene.unlearned_gops + 1
    if usual is None or unlearned >= rules.learn_every_gops:
        usual, unlearned = _usual(scene, rules), 0
    phases = {}
    for signal, phase in scene.phases.items():
        phases[signal], change = _step(signal, phase, gop, scene.last, usual, rules)
        changes += (change,) if change else ()
    sizes, distances = scene.sizes, scene.distances
    if not any(_is_doubtful(phases[signal]) for signal in (Signal.COVERED, Signal.FROZEN)):
        sizes = (*sizes, gop)[-rules.baseline_gops :]
    if not _is_doubtful(phases[Signal.SMART_CODEC]):
        distances = (*distances, gop.seconds)[-rules.baseline_gops :]
    for change in changes:
        if isinstance(change, Ended) and change.at - (scene.on.get(change.signal) or change.at) >= rules.adopt_after:
            sizes, distances, usual = (), (), None
        elif change.signal is Signal.SMART_CODEC:
            sizes, usual = (), None  # another way of encoding: other sizes are usual
    return Scene(sizes, distances, phases, gop, usual, unlearned), changes


def fade(scene: Scene, now: datetime, rules: Rules) -> tuple[Scene, tuple[Change, ...]]:
    """The camera when nothing more came of it: what was on ends with what was last seen."""
    last = scene.last
    if last is None or now - _end(last) <= rules.forget_after:
        return scene, ()
    return Scene(), tuple(Ended(signal, _end(last)) for signal in scene.on)


def _forget_old(scene: Scene, gop: Gop, rules: Rules) -> tuple[Scene, tuple[Change, ...]]:
    last = scene.last
    if last is None:
        return scene, ()
    is_other = gop.stream != last.stream or gop.start < last.start
    return fade(scene, datetime.max.replace(tzinfo=gop.start.tzinfo) if is_other else gop.start, rules)


def _usual(scene: Scene, rules: Rules) -> Usual | None:
    """None until enough was seen."""
    sizes, distances = scene.sizes, sorted(scene.distances)
    enough = min(len(sizes), len(distances)) >= rules.least_gops
    if not enough or min(sum(gop.seconds for gop in sizes), sum(distances)) < rules.least_seconds:
        return None
    return Usual(
        median(gop.keyframe_bytes for gop in sizes),
        median(gop.mean_delta_bytes for gop in sizes),
        distances[len(distances) * 9 // 10],
        sum(_is_same(one, other, rules) for one, other in pairwise(sizes)) / len(sizes),
    )


def _step(
    signal: Signal, phase: _Phase, gop: Gop, last: Gop | None, usual: Usual | None, rules: Rules
) -> tuple[_Phase, Change | None]:
    if phase.since is not None and phase.usual is not None:
        if gop.start - phase.since >= rules.adopt_after:
            return _Phase(), Ended(signal, gop.start)
        row = (*phase.row, gop) if _is_over(signal, gop, last, phase.usual, rules) else ()
        if row and _is_enough(row, rules.clear):
            return _Phase(), Ended(signal, row[0].start)
        return replace(phase, row=row), None
    if usual is None or not _is_on(signal, gop, last, usual, rules):
        return _Phase(), None
    row = (*phase.row, gop)
    if not _is_enough(row, rules.confirm[signal]):
        return _Phase(row=row), None
    began = Began(signal, row[0].start, _numbers(signal, usual), _numbers(signal, _of(row)))
    return _Phase(began.at, usual), began


def _is_doubtful(phase: _Phase) -> bool:
    return phase.since is not None or bool(phase.row)


def _is_enough(row: tuple[Gop, ...], needed: tuple[int, float]) -> bool:
    gops, seconds = needed
    return len(row) >= gops and sum(gop.seconds for gop in row) >= seconds


def _is_on(signal: Signal, gop: Gop, last: Gop | None, usual: Usual, rules: Rules) -> bool:
    match signal:
        case Signal.COVERED:
            return gop.keyframe_bytes <= rules.covered_share * usual.keyframe_bytes
        case Signal.FROZEN:
            return (
                usual.same < rules.usually_same
                and gop.keyframe_bytes >= rules.uncovered_share * usual.keyframe_bytes
                and gop.mean_delta_bytes <= usual.delta_bytes
                and gop.mean_delta_bytes <= max(rules.still_delta_bytes, rules.still_delta_share * gop.keyframe_bytes)
                and last is not None
                and _is_same(last, gop, rules)
            )
        case Signal.SMART_CODEC:
            distance = usual.keyframe_seconds
            return gop.seconds >= max(rules.stretch * distance, distance + rules.stretch_seconds)


def _is_over(signal: Signal, gop: Gop, last: Gop | None, usual: Usual, rules: Rules) -> bool:
    match signal:
        case Signal.COVERED:
            return gop.keyframe_bytes >= rules.uncovered_share * usual.keyframe_bytes
        case Signal.FROZEN:
            return last is None or not _is_same(last, gop, rules)
        case Signal.SMART_CODEC:
            return gop.seconds <= rules.relaxed * usual.keyframe_seconds


def _is_same(one: Gop, other: Gop, rules: Rules) -> bool:
    return abs(one.keyframe_bytes - other.keyframe_bytes) <= max(1.0, rules.same_share * one.keyframe_bytes)


def _of(row: tuple[Gop, ...]) -> Usual:
    """The middle of a few GOPs."""
    return Usual(
        median(gop.keyframe_bytes for gop in row),
        median(gop.mean_delta_bytes for gop in row),
        median(gop.seconds for gop in row),
        0.0,
    )


def _numbers(signal: Signal, values: Usual) -> dict[str, float]:
    if signal is Signal.SMART_CODEC:
        return {"keyframe_seconds": round(values.keyframe_seconds, 2)}
    return {"keyframe_bytes": round(values.keyframe_bytes), "delta_bytes": round(values.delta_bytes, 1)}


def _end(gop: Gop) -> datetime:
    return gop.start + timedelta(seconds=gop.seconds)
