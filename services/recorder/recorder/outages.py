"""Which due time passed while the recorder didn't run: pure, over the configuration it had."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from uuid import UUID

from uuid_utils.compat import uuid7

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.gaps import GapCause
from camfleet_contract.messages import Interval
from recorder.coverage import SMALLEST
from recorder.spool import MissedFootage, Recording
from recorder.wanted import Run, runs_between

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

_REASONS = {
    GapCause.POWER_LOST: "The machine lost power or restarted.",
    GapCause.RECORDER_DOWN: "The recorder was not running.",
}


def outages(
    config: RecorderConfig,
    interrupted: Iterable[Recording],
    known_until: Mapping[UUID, datetime],
    down: Interval,
    cause: GapCause,
    detail: str = "",
    *,
    by_hand: Iterable[Run] | None = None,
    stopped: frozenset[object] = frozenset(),
) -> list[MissedFootage]:
    """The gaps of a stretch `down`, from the moment until which all was accounted for to the start of this run.

    `known_until` is, per camera, the end of its footage or of its last gap. `interrupted` are the recordings that were
    open: manual ones are in no configuration. Where it is known what was asked for `by_hand`, that counts instead.
    `stopped` holds the keys of runs that an operator ended.
    """
    manual = by_hand
    if manual is None:
        runs = [_manual_run(recording) for recording in interrupted if recording.schedule_id is None]
        manual = [run for run in runs if run is not None]
    told, gaps = detail or _REASONS.get(cause, ""), []
    for camera_id, due in runs_between(config, down, manual, stopped).items():
        since = max(down.start, known_until.get(camera_id, down.start))
        for run in due:
            start, end = max(run.start, since), min(run.end, down.end)
            # However short: nothing comes yet, so that the gap goes on under another cause.
            if end - start >= SMALLEST or start < end == down.end:
                gaps.append(MissedFootage(uuid7(), camera_id, run.schedule_id, None, start, end, cause, told))
    return gaps


def why_down(last_boot: str | None, boot: str) -> GapCause:
    """`last_boot` is the machine's boot in which the last run was when it ended without notice, else None."""
    return GapCause.POWER_LOST if last_boot and last_boot != boot else GapCause.RECORDER_DOWN


def boot_id() -> str:
    """Changes when the machine starts; the same text for ever where the kernel doesn't tell."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return "unknown"


def _manual_run(recording: Recording) -> Run | None:
    if recording.until is None or recording.until <= recording.started_at:
        return None
    started = recording.started_at
    return Run(recording.camera_id, None, started, recording.name, started, recording.until, segment_seconds=60)
