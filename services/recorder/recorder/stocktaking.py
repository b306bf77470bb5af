"""Compares rows with files, folder by folder: a file without a row is adopted, a sealed row without a file is lost."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from recorder.errors import SpoolError
from recorder.recovery import is_of_the_whole_disk, recover_open_alone
from recorder.salvage import REMUXED, examined, has_fragments, uuid_in
from recorder.spool import MissedFootage, Recording, Segment, SegmentState, Spool
from recorder.spool.directory import RECORDINGS

PART = ".part"
RETRY = timedelta(seconds=10)
_LOOK = timedelta(seconds=1)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What was found."""

    folders: int = 0
    adopted: int = 0
    lost: int = 0


class Stocktaking:
    """Once a run, while the cameras record: half a million files take their time, and a new recording must not wait.

    No file is opened, nor even asked for its size, unless it has no row.
    """

    def __init__(self, spool: Spool, may_begin: Callable[[], bool], *, retry: timedelta = RETRY) -> None:
        """`may_begin` says when what the last run left open is in order, and the cameras record."""
        self._spool = spool
        self._may_begin = may_begin
        self._retry = retry
        self._told = ""

    async def run(self) -> None:
        """Until all is compared. With the disk away or broken it begins again later; repeating is safe."""
        while not self._may_begin():  # noqa: ASYNC110 - set by another thread, once, and nothing is in a hurry here
            await asyncio.sleep(_LOOK.total_seconds())
        while True:
            try:
                await self._take()
            except (SpoolError, OSError, sqlite3.OperationalError) as error:
                if self._told != str(error):
                    log.warning("stock_not_taken", reason=str(error))
                self._told = str(error)
                await asyncio.sleep(self._retry.total_seconds())
            else:
                return

    async def _take(self) -> None:
        # A thread's turn for each folder, so that a stop waits for no more than one.
        steps = taking_stock(self._spool)
        while await asyncio.to_thread(next, steps, None) is not None:
            pass


def take_stock(spool: Spool) -> Found:
    """All of it at once."""
    stock = Found()
    for stock in taking_stock(spool):  # noqa: B007 - the last one is the sum
        pass
    return stock


def taking_stock(spool: Spool) -> Iterator[Found]:
    """A folder a step, with the sum so far. DiskMissing, OSError."""
    spool.check_disk()
    begun: set[UUID] = set()
    folders = adopted = lost = 0
    for folder, names in _folders(spool):
        rows = spool.inventory.folder(folder)
        # The rows are read after the names: a file that came in between has its row, and is in neither.
        for name in sorted(names):
            known = rows.get(_final(name))
            if known is None:
                adopted += _adopt_alone(spool, spool.base / folder / name, begun)
            elif name != _final(name) and known[1] is not SegmentState.OPEN:
                # A copy whose original was sealed, or an original whose copy was.
                (spool.base / folder / name).unlink(missing_ok=True)
        for name, (segment_id, state) in rows.items():
            if state is SegmentState.SEALED and name not in names:
                lost += _close_missing(spool, segment_id)
        folders += 1
        yield Found(folders, adopted, lost)
    for recording_id in begun:
        _finish(spool, recording_id)
    if adopted or lost:
        log.warning("stock_taken", folders=folders, adopted=adopted, lost=lost)


def _folders(spool: Spool) -> Iterator[tuple[PurePosixPath, set[str]]]:
    """Every folder that is there, and then those that only rows name; with the names of what may be a segment."""
    seen = set()
    for parent, _, names in os.walk(spool.base / RECORDINGS, onerror=_raise):
        folder = PurePosixPath(Path(parent).relative_to(spool.base).as_posix())
        seen.add(folder)
        yield folder, {name for name in names if _final(name).endswith(".mp4")}
    for folder in spool.inventory.folders():
        if folder not in seen:
            yield folder, set()


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # a folder that went meanwhile
        raise error


def _final(name: str) -> str:
    return name.removesuffix(PART).removesuffix(REMUXED)


def _close_missing(spool: Spool, segment_id: UUID) -> bool:
    """Looked at again, one by one: it may have been deleted by a rule meanwhile, or the whole disk may be away."""
    spool.check_disk()
    segment = spool.segments.get(segment_id)
    return segment is not None and segment.sealed is not None and spool.removals.close_missing(segment, _gap(segment))


def _gap(segment: Segment) -> MissedFootage:
    sealed = segment.sealed
    return MissedFootage(
        id=uuid7(),
        camera_id=segment.camera_id,
        schedule_id=None,
        recording_id=segment.recording_id,
        start=sealed.start if sealed else segment.opened_at,
        end=sealed.end if sealed else segment.opened_at,
        cause=GapCause.DISK_MISSING,
        detail="The segment's file was gone when the recorder started.",
    )


def _adopt_alone(spool: Spool, path: Path, begun: set[UUID]) -> bool:
    try:
        return path.exists() and _adopt(spool, path, begun)
    except (SpoolError, sqlite3.Error):
        raise
    except Exception as error:
        if is_of_the_whole_disk(error):
            raise
        log.exception("file_not_adopted", path=str(path))
        return False


def _adopt(spool: Spool, path: Path, begun: set[UUID]) -> bool:
    """Give a file without a row its row back. What can't be read stays where it is, if it is anything at all."""
    if path.name.endswith(REMUXED):
        path.unlink(missing_ok=True)  # a copy in the making; its original is adopted
        return False
    contents = examined(path)
    camera_id = uuid_in(path.parent.parent.name)
    if contents is None and _is_begun_only(path):
        path.unlink(missing_ok=True)
        return False
    if contents is None or camera_id is None:
        log.warning("file_not_adopted", path=str(path))
        return False
    start = contents.start or datetime.fromtimestamp(path.stat().st_mtime, UTC) - contents.duration
    recording_id = contents.recording_id or uuid7()
    if spool.recordings.get(recording_id) is None:
        spool.recordings.begin(Recording(recording_id, camera_id, None, "Recovered footage", start, until=start))
        begun.add(recording_id)
    segment_id = contents.segment_id
    if segment_id is None or spool.segments.get(segment_id) is not None:
        segment_id = uuid7()
    segment = spool.segments.begin(segment_id, recording_id, camera_id, start)
    target = spool.segments.open_file(segment)
    target.parent.mkdir(parents=True, exist_ok=True)
    path.rename(target)
    return recover_open_alone(spool, segment, GapCause.DISK_MISSING)


def _is_begun_only(path: Path) -> bool:
    """Whether a power cut took the row of a segment that had no footage yet, and left its name or its head on disk."""
    return (
        path.name.endswith(PART)
        and uuid_in(_final(path.name).removesuffix(".mp4")) is not None
        and not has_fragments(path)
    )


def _finish(spool: Spool, recording_id: UUID) -> None:
    """The recording of adopted footage ends with it. A kill before leaves it to `recovery`."""
    recording = spool.recordings.get(recording_id)
    if recording is None:
        return
    end = spool.segments.end_of(recording_id) or recording.started_at
    status = RecordingStatus.COMPLETED if recording.frames else RecordingStatus.FAILED
    spool.recordings.finish(recording_id, status, max(end, recording.started_at))
