"""Half a million segments must not keep a camera waiting: what a start looks at, and what is compared afterwards."""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from camera_simulator import CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from recorder.cameras import Cameras
from recorder.errors import DiskMissing
from recorder.last_run import LastRun
from recorder.spool import Segment, SegmentState, Spool
from recorder.stocktaking import Found, Stocktaking, take_stock, taking_stock
from tests.recorder.rig import always, camera, config, running
from tests.recorder.spooled import NOON, begun, many_rows, sealed, steps
from tests.recorder.waiting import until

LATER = NOON + timedelta(days=1)
_watched: set[Path] = set()
_looks: list[str] = []


def _note(event: str, arguments: tuple[object, ...]) -> None:
    if _watched and event in {"os.listdir", "os.scandir", "open"} and isinstance(arguments[0], str | Path):
        path = Path(arguments[0])
        if any(path.is_relative_to(folder) for folder in _watched):
            _looks.append(f"{event} {path.name}")


sys.addaudithook(_note)


@contextmanager
def looks_below(folder: Path) -> Iterator[list[str]]:
    """Which folders are listed and which files opened, below the folder."""
    _watched.add(folder)
    _looks.clear()
    try:
        yield _looks
    finally:
        _watched.clear()


def files_for(spool: Spool) -> None:
    """An empty file for each row that has none."""
    for row in spool._database.rows("SELECT path FROM segments"):
        file = spool.base / row["path"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def start(base: Path) -> tuple[int, list[str]]:
    """The work of a start until the cameras record: of the database, and of the folders with footage."""
    looks: list[str] = []

    def work() -> None:
        LastRun(spool).put_in_order(config(), NOON)
        spool.segments.backlog()
        spool.segments.counts()

    with looks_below(base / "recordings") as seen:
        spool = Spool.open(base)
        database = steps(spool, work)
        looks += seen
    spool.close()
    return database, looks


def test_a_start_works_no_harder_with_a_hundred_times_the_footage(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    recording = begun(spool)
    for state in (SegmentState.STORED, SegmentState.SEALED, SegmentState.UPLOADED):
        many_rows(spool, recording, 100, state)
    spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, NOON)
    spool.close()
    few, looks = start(tmp_path)
    assert looks == ["open .camfleet-recorder"] * len(looks), "no folder is listed, no file opened"
    spool = Spool.open(tmp_path)
    for state in (SegmentState.STORED, SegmentState.SEALED, SegmentState.UPLOADED):
        many_rows(spool, recording, 10_000, state)
    files_for(spool)
    spool.close()
    many, more_looks = start(tmp_path)
    assert more_looks == looks
    assert many <= few + 2


def test_taking_stock_lists_each_folder_once_and_opens_no_file(spool: Spool) -> None:
    many_rows(spool, begun(spool), 5000, SegmentState.SEALED)
    files_for(spool)
    with looks_below(spool.base / "recordings") as looks:
        found = take_stock(spool)
        listed = [look for look in looks if not look.startswith("open ")]
        opened = [look for look in looks if look.startswith("open ") and not look.endswith(".camfleet-recorder")]
    assert found == Found(folders=len(listed))
    days = {Path(row["path"]).parent for row in spool._database.rows("SELECT path FROM segments")}
    assert len(listed) == len(set(listed)) == len(days) + 2, "the camera's folder and the one above, too"
    assert opened == []


def test_files_that_are_gone_with_their_whole_folder_are_lost_and_told_once(spool: Spool) -> None:
    segments = [sealed(spool, begun(spool, uuid7()), NOON + timedelta(minutes=n)) for n in range(3)]
    for segment in segments[:2]:
        spool.segments.file(segment).unlink()
        spool.segments.file(segment).parent.rmdir()
    assert take_stock(spool).lost == 2
    assert take_stock(spool).lost == 0
    gaps = spool.gaps.to_report(LATER)
    assert [(gap.recording_id, gap.cause) for gap in gaps] == [
        (segment.recording_id, GapCause.DISK_MISSING) for segment in segments[:2]
    ]


def test_a_disk_that_goes_away_while_it_is_compared_loses_nothing(spool: Spool, tmp_path: Path) -> None:
    segments = [sealed(spool, begun(spool, uuid7()), NOON) for _ in range(3)]
    recordings, away = spool.base / "recordings", tmp_path / "unmounted"
    steps_taken = taking_stock(spool)
    next(steps_taken)
    recordings.rename(away)
    with pytest.raises(DiskMissing):
        for _ in steps_taken:
            pass
    away.rename(recordings)
    assert take_stock(spool) == Found(folders=7)
    assert all(spool.segments.get(segment.id) == segment for segment in segments)


def test_what_is_recorded_sealed_and_deleted_meanwhile_is_left_alone(spool: Spool) -> None:
    """The listing of a folder is old when its rows are read: whatever changed in between must not count as lost."""
    recording = begun(spool)
    segments = [sealed(spool, recording, NOON + timedelta(seconds=n)) for n in range(40)]
    stop = threading.Event()

    def churn() -> None:
        number = 100
        while not stop.is_set():
            number += 1
            segment = sealed(spool, recording, NOON + timedelta(seconds=number), size=10)
            spool.segments.mark_stored([segment.id])
            spool.removals.delete_stored(LATER + timedelta(days=9), 1)

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        found = [take_stock(spool) for _ in range(60)]
    finally:
        stop.set()
        thread.join()
    assert {(stock.adopted, stock.lost) for stock in found} == {(0, 0)}
    assert spool.gaps.to_report(LATER) == []
    assert present(spool, segments)[-1]


def present(spool: Spool, segments: list[Segment]) -> list[bool]:
    return [
        spool.segments.file(segment).exists() == (spool.segments.get(segment.id) is not None) for segment in segments
    ]


async def test_a_camera_records_before_the_stock_is_taken_and_its_growing_file_is_left_alone(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    lost = sealed(spool, begun(spool))
    spool.segments.file(lost).unlink()
    async with CameraSimulator([CameraSpec(name="yard")], port=0) as simulator:
        cameras = Cameras(spool)
        cameras.apply(config(always(camera(simulator.url("yard")), segment_seconds=60)))
        async with running(cameras):
            await until(lambda: cameras.states()[0].condition == "recording")
            assert spool.segments.counts()[SegmentState.LOST] == 0, "not before the camera records"
            (growing,) = spool.segments.in_state(SegmentState.OPEN)
            await asyncio.wait_for(Stocktaking(spool, cameras.is_recovered).run(), 90)
            assert spool.segments.counts()[SegmentState.LOST] == 1
            size = os.stat(spool.segments.open_file(growing)).st_size  # noqa: PTH116 - a stat, not a read
            await until(lambda: spool.segments.open_file(growing).stat().st_size > size)
    assert (spool.segments.get(growing.id) or growing).state is SegmentState.SEALED
    spool.close()


async def test_it_begins_when_the_last_run_is_in_order_and_again_when_the_disk_is_back(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path / "base")
    segment = sealed(spool, begun(spool))
    spool.segments.file(segment).unlink()
    may_begin = threading.Event()
    recordings, away = spool.base / "recordings", tmp_path / "unmounted"
    recordings.rename(away)
    stocktaking = Stocktaking(spool, may_begin.is_set, retry=timedelta(seconds=0.05))
    task = asyncio.create_task(stocktaking.run())
    may_begin.set()
    await until(lambda: "not mounted" in stocktaking._told)
    assert spool.segments.counts()[SegmentState.LOST] == 0
    away.rename(recordings)
    await asyncio.wait_for(task, 90)
    assert spool.segments.counts()[SegmentState.LOST] == 1
    spool.close()
