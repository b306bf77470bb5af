"""What a crash left behind, put in order: open rows sealed or lost, files without rows adopted, recordings finished."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from recorder.errors import SpoolError
from recorder.salvage import REMUXED, Contents, examined, remuxed, uuid_in
from recorder.segments import read_back
from recorder.spool import MissedFootage, Recording, Sealed, Segment, SegmentState, Spool
from recorder.spool.directory import RECORDINGS, sync_folder

_PART, _UNREADABLE = ".part", ".unreadable"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Recovered:
    """How many segments were found how."""

    sealed: int = 0
    lost: int = 0
    adopted: int = 0


def recover(spool: Spool, cause: GapCause) -> Recovered:
    """Before any camera records. Safe to be killed in, and to repeat.

    `cause` is why the last run ended. DiskMissing if the data disk isn't there, OSError if it is broken.
    """
    spool.check_disk()
    sealed = lost = adopted = 0
    for segment in spool.segments.in_state(SegmentState.OPEN):
        if recover_open_alone(spool, segment, cause):
            sealed += 1
        else:
            lost += 1
    present = {path.relative_to(spool.base).as_posix() for path in _files(spool.base / RECORDINGS)}
    for segment in spool.segments.in_state(SegmentState.SEALED):
        if segment.path.as_posix() not in present and not spool.segments.file(segment).exists():
            spool.segments.mark_lost(segment.id, _gap_of(segment))
            lost += 1
    known = spool.segments.paths()
    for name in sorted(present):
        if name.removesuffix(_PART) in known or not name.removesuffix(_PART).endswith(".mp4"):
            _clear_leftover(spool.base / name)
        elif _adopt_alone(spool, spool.base / name):
            adopted += 1
    _finish_recordings(spool, cause)
    found = Recovered(sealed, lost, adopted)
    if found != Recovered():
        log.warning("spool_recovered", sealed=sealed, lost=lost, adopted=adopted)
    return found


def recover_open_alone(spool: Spool, segment: Segment, cause: GapCause) -> bool:
    """As `recover_open`, but what is wrong with this one segment never keeps the others, and all cameras, waiting.

    OSError where the whole disk is to blame: that passes, and then it is tried again.
    """
    try:
        return recover_open(spool, segment, cause)
    except (SpoolError, sqlite3.Error):
        raise
    except Exception as error:
        if _is_of_the_whole_disk(error):
            raise
        log.exception("segment_not_recovered", segment_id=str(segment.id), path=str(segment.path))
    try:
        _set_aside(spool, segment, cause)
    except OSError as error:
        # The row stays open: the next start tries again.
        log.warning("segment_not_set_aside", segment_id=str(segment.id), reason=str(error))
    return False


def recover_open(spool: Spool, segment: Segment, cause: GapCause) -> bool:
    """Seal what is there of a segment. False if that is nothing."""
    final, part = spool.segments.file(segment), spool.segments.open_file(segment)
    contents = None
    if final.exists():
        # It was complete when the power went, only its row was not.
        contents = examined(final)
        if contents is not None:
            _seal(spool, segment, contents, final)
            part.unlink(missing_ok=True)
    elif part.exists():
        contents = remuxed(part, final, segment)
        if contents is not None:
            _seal(spool, segment, contents, final)
            part.unlink()
            sync_folder(part.parent)
    if contents is not None:
        return True
    _give_up(spool, segment, cause)
    return False


def _seal(spool: Spool, segment: Segment, contents: Contents, final: Path) -> None:
    facts = read_back(final)
    sealed = Sealed(
        start=segment.opened_at,
        end=segment.opened_at + max(contents.duration, timedelta(milliseconds=1)),
        size_bytes=facts.size_bytes,
        crc32c=facts.crc32c,
        sha256=facts.sha256,
        codec=contents.codec,
        packets=contents.packets,
    )
    spool.segments.seal(segment.id, sealed)


def _give_up(spool: Spool, segment: Segment, cause: GapCause) -> None:
    """No packet of it can be read."""
    files = (spool.segments.file(segment), spool.segments.open_file(segment))
    if any(path.exists() and _has_fragments(path) for path in files):
        _set_aside(spool, segment, cause)
    else:
        # Killed before its first fragment: less than a second, which the time without footage covers.
        spool.segments.abandon(segment.id)


def _set_aside(spool: Spool, segment: Segment, cause: GapCause) -> None:
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
        end=max(alive or segment.opened_at, segment.opened_at + timedelta(seconds=1)),
        cause=cause,
        detail="The segment that was open can't be read.",
    )
    spool.segments.mark_lost(segment.id, gap)


def _is_of_the_whole_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENODEV}


def _has_fragments(path: Path) -> bool:
    with path.open("rb") as file:
        return b"moof" in file.read(4 << 20)


def _adopt_alone(spool: Spool, path: Path) -> bool:
    try:
        return _adopt(spool, path)
    except (SpoolError, sqlite3.Error):
        raise
    except Exception as error:
        if _is_of_the_whole_disk(error):
            raise
        log.exception("file_not_adopted", path=str(path))
        return False


def _adopt(spool: Spool, path: Path) -> bool:
    """Give a file without a row its row back. What can't be read stays where it is."""
    contents = examined(path)
    camera_id = uuid_in(path.parent.parent.name)
    if contents is None or camera_id is None:
        log.warning("file_not_adopted", path=str(path))
        return False
    start = contents.start or datetime.fromtimestamp(path.stat().st_mtime, UTC) - contents.duration
    recording_id = contents.recording_id or uuid7()
    if spool.recordings.get(recording_id) is None:
        spool.recordings.begin(Recording(recording_id, camera_id, None, "Recovered footage", start, until=start))
    segment_id = contents.segment_id
    if segment_id is None or spool.segments.get(segment_id) is not None:
        segment_id = uuid7()
    segment = spool.segments.begin(segment_id, recording_id, camera_id, start)
    target = spool.segments.open_file(segment)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    return recover_open_alone(spool, segment, GapCause.DISK_MISSING)


def _clear_leftover(path: Path) -> None:
    """A copy whose original was sealed, or an original whose copy was: both are known by a row."""
    if path.name.endswith((_PART, REMUXED)):
        path.unlink()


def _finish_recordings(spool: Spool, cause: GapCause) -> None:
    footage = spool.segments.ends_by_recording()
    for recording in spool.recordings.open():
        end = max(footage.get(recording.id, recording.started_at), recording.started_at)
        fresh = spool.recordings.get(recording.id)
        if fresh is None:
            continue
        if recording.until is not None and end >= recording.until - timedelta(seconds=1) and fresh.frames:
            spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, end)
        else:
            status = RecordingStatus.STOPPED if fresh.frames else RecordingStatus.FAILED
            message = "The recorder stopped in the middle of the recording."
            spool.recordings.finish(recording.id, status, end, error_code=cause, error_message=message)


def _gap_of(segment: Segment) -> MissedFootage | None:
    if segment.sealed is None:
        return None
    return MissedFootage(
        id=uuid7(),
        camera_id=segment.camera_id,
        schedule_id=None,
        recording_id=segment.recording_id,
        start=segment.sealed.start,
        end=segment.sealed.end,
        cause=GapCause.DISK_MISSING,
        detail="The segment's file was gone when the recorder started.",
    )


def _files(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".mp4", ".mp4" + _PART, ".mp4" + REMUXED)):
                yield Path(parent, name)
