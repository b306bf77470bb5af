"""How far a recording has come: states only move forward, whatever order reports arrive in."""

from dataclasses import dataclass, replace
from datetime import datetime

from camfleet_contract.recordings import RecordingStatus, RecordingStatusReport

INTERRUPTED = "interrupted"
"""The error code of a recording that was closed because its recorder began another one of the same camera."""
INTERRUPTED_MESSAGE = "the recorder began another recording of this camera without ending this one"

_RANKS = {RecordingStatus.SCHEDULED: 0, RecordingStatus.RECORDING: 1}
_FINAL_RANK = 2


@dataclass(frozen=True, slots=True)
class Progress:
    """What is known of a recording's course."""

    status: RecordingStatus
    started_at: datetime
    ended_at: datetime | None = None
    progress: float = 0.0
    frames_recorded: int = 0
    file_size: int = 0
    """Bytes."""
    gcp_path: str | None = None
    error_code: str | None = None
    error_message: str | None = None


def advanced(known: Progress, report: RecordingStatusReport, now: datetime) -> Progress:
    """What is known after `report`.

    Forward moves count; a repeat or a step back changes nothing, but that counters of a running recording grow and
    that a repeated `completed` fills in what was missing. A late `completed` wins over `failed`, `stopped` and
    interrupted. The first final report fixes the end.
    """
    if known.status is RecordingStatus.COMPLETED:
        return _filled_in(known, report) if report.status is RecordingStatus.COMPLETED else known
    if known.status.is_final:
        return _ended(known, report, now) if report.status is RecordingStatus.COMPLETED else known
    if report.status.is_final:
        return _ended(known, report, now)
    if _rank(report.status) > _rank(known.status):
        return replace(_counted(known, report), status=report.status, started_at=report.started_at or known.started_at)
    if report.status is known.status is RecordingStatus.RECORDING:
        return _counted(known, report)
    return known


def interrupted(known: Progress, now: datetime) -> Progress:
    """What is known of an open recording when its recorder begins another one of the same camera."""
    return replace(
        known,
        status=RecordingStatus.FAILED,
        ended_at=max(now, known.started_at),
        error_code=INTERRUPTED,
        error_message=INTERRUPTED_MESSAGE,
    )


def _ended(known: Progress, report: RecordingStatusReport, now: datetime) -> Progress:
    started_at = report.started_at or known.started_at
    # A late `completed` comes when the upload is done, long after a failure or interruption told when the end was.
    ended_at = report.ended_at or known.ended_at or now
    return replace(
        _counted(known, report),
        status=report.status,
        started_at=started_at,
        ended_at=max(ended_at, started_at),
        gcp_path=report.gcp_path or known.gcp_path,
        error_code=report.error_code,
        error_message=report.error_message,
    )


def _filled_in(known: Progress, report: RecordingStatusReport) -> Progress:
    return replace(
        known,
        progress=known.progress or report.progress or 0.0,
        frames_recorded=known.frames_recorded or report.frames_recorded or 0,
        file_size=known.file_size or report.file_size or 0,
        gcp_path=known.gcp_path or report.gcp_path,
    )


def _counted(known: Progress, report: RecordingStatusReport) -> Progress:
    # The greatest, not the newest: a retry of an old report may arrive after a newer one.
    return replace(
        known,
        progress=max(known.progress, report.progress or 0.0),
        frames_recorded=max(known.frames_recorded, report.frames_recorded or 0),
        file_size=max(known.file_size, report.file_size or 0),
    )


def _rank(status: RecordingStatus) -> int:
    return _RANKS.get(status, _FINAL_RANK)
