"""What grows is on disk about a second later, and no disk makes a camera wait for it."""

import errno
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from recorder.cameras import Cameras
from recorder.durability import Syncer
from recorder.spool import Spool
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until


class Flushes:
    """Counts what is flushed, and holds the disk still on demand."""

    def __init__(self) -> None:
        self.sizes: dict[int, list[int]] = {}
        """By inode."""
        self.descriptors: list[int] = []
        """Each once a flush."""
        self.failure: OSError | None = None
        """What the next flush fails with."""
        self.rows: list[int] = []
        """How many files had been flushed when the rows were."""
        self.goes = threading.Event()
        self.goes.set()
        self.waits = threading.Event()

    def __call__(self, descriptor: int) -> None:
        if not self.goes.is_set():
            self.waits.set()
            self.goes.wait(30)
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.descriptors.append(descriptor)
        found = os.fstat(descriptor)
        self.sizes.setdefault(found.st_ino, []).append(found.st_size)


async def test_files_are_flushed_as_they_grow_and_only_then(tmp_path: Path) -> None:
    folder = tmp_path / "recordings" / "camera" / "day"
    folder.mkdir(parents=True)
    flushes = Flushes()
    syncer = Syncer(lambda: flushes.rows.append(len(flushes.sizes)), 0.01, flushes)
    files = [folder / "1.part", folder / "2.part"]
    for file in files:
        file.write_bytes(b"a")
        syncer.begin(file)
    first, second = (file.stat().st_ino for file in files)
    await until(lambda: flushes.sizes == {first: [1], second: [1]})
    with files[0].open("ab") as opened:
        opened.write(b"bc")
    await until(lambda: flushes.sizes[first] == [1, 3])
    assert flushes.sizes[second] == [1]
    syncer.end(files[0])
    files[0].unlink()
    with files[1].open("ab") as opened:
        opened.write(b"bcd")
    await until(lambda: flushes.sizes[second] == [1, 4])
    assert flushes.rows[0] == 0, "rows before files"
    assert len(flushes.rows) <= 2, "and only for new ones"
    syncer.close()


def _growing(folder: Path, name: str) -> Path:
    file = folder / "recordings" / "camera" / "day" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"a")
    return file


def _is_open(file: Path) -> bool:
    """In this process."""
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile, as that of the listing itself
            if descriptor.readlink() == file:
                return True
    return False


def _last(flushes: Flushes) -> int:
    """The size up to which the only file was flushed."""
    return max((size for sizes in flushes.sizes.values() for size in sizes), default=0)


async def test_a_file_is_opened_once_and_let_go_of_when_it_ends(tmp_path: Path) -> None:
    flushes = Flushes()
    syncer = Syncer(lambda: None, 0.01, flushes)
    file = _growing(tmp_path, "1.part")
    syncer.begin(file)
    for _ in range(4):
        await until(lambda: _last(flushes) == file.stat().st_size)
        with file.open("ab") as opened:
            opened.write(b"b")
    assert len(set(flushes.descriptors)) == 1
    assert _is_open(file)
    syncer.end(file)
    await until(lambda: not _is_open(file))
    syncer.close()


async def test_a_file_that_ends_while_the_disk_stands_still_keeps_nobody_waiting(tmp_path: Path) -> None:
    flushes = Flushes()
    flushes.goes.clear()
    syncer = Syncer(lambda: None, 0.01, flushes)
    file = _growing(tmp_path, "1.part")
    syncer.begin(file)
    await until(flushes.waits.is_set)
    syncer.end(file)
    assert _is_open(file), "its flush is under way, and must not hit another file"
    flushes.goes.set()
    await until(lambda: not _is_open(file))
    syncer.close()


async def test_a_file_whose_flush_failed_is_doubtful_for_as_long_as_it_grows(tmp_path: Path) -> None:
    flushes = Flushes()
    flushes.failure = OSError(errno.EIO, "as a broken disk says")
    syncer = Syncer(lambda: None, 0.01, flushes)
    file, other = _growing(tmp_path, "1.part"), _growing(tmp_path, "2.part")
    syncer.begin(file)
    await until(lambda: syncer.is_doubtful(file))
    syncer.begin(other)
    await until(lambda: len(flushes.sizes) == 2)  # what comes later is flushed
    assert syncer.is_doubtful(file), "though its flush succeeds now"
    assert not syncer.is_doubtful(other)
    syncer.end(file)
    assert not syncer.is_doubtful(file)
    syncer.end(other)
    syncer.close()


async def test_a_disk_that_stands_still_makes_no_camera_wait(spool: Spool) -> None:
    flushes = Flushes()
    async with CameraSimulator([CameraSpec(name="yard", audio=AudioCodec.NONE)], port=0) as simulator:
        cameras = Cameras(spool, syncer=Syncer(spool.sync, 0.1, flushes))
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: any(len(sizes) >= 2 for sizes in flushes.sizes.values()))
            flushes.goes.clear()
            await until(flushes.waits.is_set)
            stood_still = datetime.now(UTC)
            await until(lambda: any(segment.opened_at > stood_still for segment in sealed(spool)))
            flushes.goes.set()
