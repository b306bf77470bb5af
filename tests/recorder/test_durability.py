"""What grows is on disk about a second later, and no disk makes a camera wait for it."""

import os
import threading
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
        self.rows: list[int] = []
        """How many files had been flushed when the rows were."""
        self.goes = threading.Event()
        self.goes.set()
        self.waits = threading.Event()

    def __call__(self, descriptor: int) -> None:
        if not self.goes.is_set():
            self.waits.set()
            self.goes.wait(30)
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
