"""What a crash left behind, put in order before any camera records: open rows sealed or lost, recordings finished."""

import errno
import os
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.descriptions import SegmentDescription
from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from recorder.descriptions import Take, append_box, box_of, description_of
from recorder.errors import SpoolError
from recorder.salvage import Contents, examined, has_fragments, remuxed
from recorder.segments import read_back, sealed_as
from recorder.spool import MissedFootage, Segment, SegmentState, Spool
from recorder.spool.directory import sync_folder

_UNREADABLE = ".unreadable"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many segments were found how."""

    sealed: int = 0
    lost: int = 0


def recover(spool: Spool, cause: GapCause) -> Recovered:
    """Before any camera records. Safe to be killed in, and to repeat.

    Only what was open is looked at, a file a camera: it takes as long however much footage there is. The rest is
    `stocktaking`. `cause` is why the last run ended. DiskMissing if the data disk isn't there, OSError if it is broken.
    """
    spool.check_disk()
    sealed = lost = 0
    for segment in spool.segments.in_state(SegmentState.OPEN):
        if recover_open_alone(spool, segment, cause):
            sealed += 1
        else:
            lost += 1
    _finish_recordings(spool, cause)
    found = Recovered(sealed, lost)
    if found != Recovered():
        log.warning("spool_recovered", sealed=sealed, lost=lost)
    return found


def recover_open_alone(spool: Spool, segment: Segment, cause: GapCause, until: datetime | None = None) -> bool:
    """As `recover_open`, but what is wrong with this one segment never keeps the others, and all cameras, waiting.

    OSError where the whole disk is to blame: that passes, and then it is tried again.
    """
    try:
        return recover_open(spool, segment, cause, until)
    except (SpoolError, sqlite3.Error):
        raise
    except Exception as error:
        if is_of_the_whole_disk(error):
            raise
        log.exception("segment_not_recovered", segment_id=str(segment.id), path=str(segment.path))
    try:
        _set_aside(spool, segment, cause, until)
    except OSError as error:
        # The row stays open: the next start tries again.
        log.warning("segment_not_set_aside", segment_id=str(segment.id), reason=str(error))
    return False


def recover_open(spool: Spool, segment: Segment, cause: GapCause, until: datetime | None = None) -> bool:
    """Seal what is there of a segment. False if that is nothing.

    `until` is when its footage ended, if that is known.
    """
    final, part = spool.segments.file(segment), spool.segments.open_file(segment)
    contents = None
    if final.exists():
        # It was complete when the power went, only its row was not.
        contents = examined(final)
        if contents is not None:
            _seal(spool, segment, contents, final, box_of(final))
            part.unlink(missing_ok=True)
    elif part.exists():
        told = box_of(part)
        contents = remuxed(part, final, segment)
        if contents is not None:
            _seal(spool, segment, contents, final, told)
            part.unlink()
            sync_folder(part.parent)
    if contents is not None:
        return True
    _give_up(spool, segment, cause, until)
    return False


def _seal(spool: Spool, segment: Segment, contents: Contents, final: Path, told: SegmentDescription | None) -> None:
    """`told` is what its file said of itself before the crash, if it came to that."""
    take = Take(
        start=segment.opened_at,
        end=segment.opened_at + max(contents.duration, timedelta(milliseconds=1)),
        codec=contents.codec,
        packets=contents.packets,
    )
    if told is not None and (told.segment_id, told.packets) == (segment.id, contents.packets):
        take = replace(take, start=told.start, end=told.end, clock_error_seconds=told.clock_error_seconds)
    with spool.chains.turn(segment.camera_id) as place:
        description = description_of(spool, segment, place, take)
        if box_of(final) != description:
            append_box(final, description)
        with final.open("rb") as file:
            os.fsync(file.fileno())
        spool.segments.seal(segment.id, sealed_as(take, read_back(final)))


def _give_up(spool: Spool, segment: Segment, cause: GapCause, until: datetime | None) -> None:
    """No packet of it can be read."""
    files = (spool.segments.file(segment), spool.segments.open_file(segment))
    if any(path.exists() and has_fragments(path) for path in files):
        _set_aside(spool, segment, cause, until)
    else:
        # Killed before its first fragment: less than a second, which the time without footage covers.
        spool.segments.abandon(segment.id)


def _set_aside(spool: Spool, segment: Segment, cause: GapCause, until: datetime | None) -> None:
    """Lost to us, but not ours to delete: somebody may still get something out of the file."""
    for path in (spool.segments.file(segment), spool.segments.open_file(segment)):
        if path.exists():
            path.rename(path.with_name(path.name + _UNREADABLE))
    alive = spool.last_alive()
    gap = MissedFootage(
        id=uuid7(),
        camera_id=segment.camera_id,
        schedule_id=None,
        recording_id=segment.recording_id,
        start=segment.opened_at,
        end=until or max(alive or segment.opened_at, segment.opened_at + timedelta(seconds=1)),
        cause=cause,
        detail="The segment that was open can't be read.",
    )
    spool.segments.mark_lost(segment.id, gap)


def is_of_the_whole_disk(error: Exception) -> bool:
    """Whether it says nothing of the one file: it passes, and then it is tried again."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENODEV}


def _finish_recordings(spool: Spool, cause: GapCause) -> None:
    for recording in spool.recordings.open():
        end = max(spool.segments.end_of(recording.id) or recording.started_at, recording.started_at)
        fresh = spool.recordings.get(recording.id)
        if fresh is None:
            continue
        if recording.until is not None and end >= recording.until - timedelta(seconds=1) and fresh.frames:
            spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, end)
        else:
            status = RecordingStatus.STOPPED if fresh.frames else RecordingStatus.FAILED
            message = "The recorder stopped in the middle of the recording."
            spool.recordings.finish(recording.id, status, end, error_code=cause, error_message=message)
