"""Whatever the store's disk does, and however often the recorder stops, a folder gets each segment once and whole."""

import random
from pathlib import Path

import pytest
from uuid_utils.compat import uuid7

from recorder.offers import name_of
from recorder.spool import SegmentState, Spool
from recorder.storage.files import BATCH_BYTES, Folder
from recorder.vault import Vault
from tests.recorder.disks import misbehaving_disk
from tests.recorder.spooled import begun, sealed
from tests.recorder.test_uploads import Progress, uploading
from tests.recorder.waiting import until

SEED = 4
SEGMENTS = 60
FAILURES = (
    {"write": "EIO"},
    {"fsync": "EIO"},
    {"change": "ENOSPC"},
    {"write": "ENOSPC", "fsync": "EIO"},
    {"read": "EIO"},
)


@pytest.mark.timeout(300)
async def test_a_folder_gets_every_segment_once_through_failing_writes_and_restarts(
    tmp_path: Path, data_spool: Spool, vault: Vault
) -> None:
    rng = random.Random(SEED)
    recordings = [begun(data_spool, uuid7()) for _ in range(4)]
    segments = [
        sealed(data_spool, recordings[n % 4], size=rng.choice((rng.randint(1, 200_000), BATCH_BYTES + n)))
        for n in range(SEGMENTS)
    ]

    def left() -> int:
        return SEGMENTS - data_spool.segments.counts()[SegmentState.UPLOADED]

    async with misbehaving_disk(tmp_path / "store") as disk:
        for segment in rng.sample(segments, 10):  # what a crash of an earlier run left
            target = disk.folder / name_of(segment)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(f".{target.name}.part").write_bytes(rng.randbytes(1000))
        restarts = 0
        while remaining := left():
            goal, progress = max(0, remaining - rng.randint(1, 12)), Progress()
            await disk.fail(**rng.choice(FAILURES))
            async with uploading(data_spool, Folder(disk.folder), vault, progress, parallel=4) as uploads:
                await until(lambda uploads=uploads: bool(uploads.state.error))  # type: ignore[misc]
                await disk.mend()
                await progress.until(lambda goal=goal: left() <= goal)  # type: ignore[misc]
            restarts += 1
        await Folder(disk.folder).check()  # which clears away what a stopped one left
        files = {path for path in disk.folder.rglob("*") if path.is_file()}
        assert files == {disk.folder / name_of(segment) for segment in segments}
        for segment in segments:
            assert (disk.folder / name_of(segment)).read_bytes() == data_spool.segments.file(segment).read_bytes()
    assert restarts > 3
