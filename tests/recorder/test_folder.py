"""Uploads to a folder: complete or absent, never elsewhere, never over something else."""

import os
import random
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from recorder.errors import LocalFileDamaged, ObjectDiffers, StorageRefused, StorageUnavailable
from recorder.storage.files import BATCH_BYTES, Folder
from recorder.storage.interface import Upload, checksum
from tests.recorder.test_bucket import Memory

NAME = "cameras/c/2026/03/01/r/20260301T200000.000Z_s.mp4"


def segment(folder: Path, name: str = NAME, size: int = BATCH_BYTES + 77, seed: int = 1) -> Upload:
    path = folder / f"{seed}.mp4"
    path.write_bytes(random.Random(seed).randbytes(size))
    return Upload(path, name, size, checksum(path, size))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    store.mkdir()
    return store


def files(store: Path) -> list[str]:
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file())


async def test_a_segment_arrives_whole_and_alone(tmp_path: Path, store: Path) -> None:
    upload = segment(tmp_path)
    assert await Folder(store).put(upload, Memory()) == 0
    assert files(store) == [NAME]
    assert (store / NAME).read_bytes() == upload.path.read_bytes()
    assert upload.path.stat().st_nlink == 1


async def test_repeating_an_upload_is_a_success(tmp_path: Path, store: Path) -> None:
    upload = segment(tmp_path)
    await Folder(store).put(upload, Memory())
    inode = (store / NAME).stat().st_ino
    await Folder(store).put(upload, Memory())
    assert (store / NAME).stat().st_ino == inode


async def test_what_a_crash_left_behind_is_replaced(tmp_path: Path, store: Path) -> None:
    upload = segment(tmp_path)
    left = (store / NAME).with_name(f".{Path(NAME).name}.part")
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * (upload.size_bytes + 1000))
    await Folder(store).put(upload, Memory())
    assert files(store) == [NAME]
    assert (store / NAME).read_bytes() == upload.path.read_bytes()


async def test_other_bytes_under_the_name_stay(tmp_path: Path, store: Path) -> None:
    await Folder(store).put(segment(tmp_path, seed=1), Memory())
    with pytest.raises(ObjectDiffers):
        await Folder(store).put(segment(tmp_path, seed=2), Memory())
    assert (store / NAME).read_bytes() == (tmp_path / "1.mp4").read_bytes()


@pytest.mark.parametrize(
    "name", ["../out.mp4", "/etc/out.mp4", "a/../../out.mp4", "a//b.mp4", "a/.hidden", "a\\b\0c", ""]
)
async def test_no_name_leads_out_of_the_folder(tmp_path: Path, store: Path, name: str) -> None:
    with pytest.raises(StorageRefused, match="no name for an object"):
        await Folder(store).put(segment(tmp_path, name), Memory())
    assert files(store) == []


async def test_no_link_leads_out_of_the_folder(tmp_path: Path, store: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (store / "cameras").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageRefused, match="symbolic link"):
        await Folder(store).put(segment(tmp_path), Memory())
    assert not list((tmp_path / "elsewhere").rglob("*.mp4"))


async def test_a_missing_folder_is_told_and_never_made(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "unmounted")
    for attempt in (folder.check(), folder.put(segment(tmp_path), Memory())):
        with pytest.raises(StorageRefused, match="does not exist: mount the disk"):
            await attempt
    assert not (tmp_path / "unmounted").exists()


async def test_a_folder_that_is_a_file_is_told(tmp_path: Path, store: Path) -> None:
    (store / "cameras").write_text("in the way")
    with pytest.raises((StorageRefused, StorageUnavailable), match="storage folder"):
        await Folder(store).put(segment(tmp_path), Memory())


def test_a_folder_that_may_not_be_written_is_told(tmp_path: Path, store: Path) -> None:
    # In a process of its own, inside the folder: root may write everywhere, so it steps down, and then could not even
    # reach pytest's folders.
    program = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from recorder.errors import StorageRefused
from recorder.storage.files import Folder
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
try:
    asyncio.run(Folder(Path(".")).check())
except StorageRefused as refusal:
    print(refusal)
"""
    store.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
    told = subprocess.run([sys.executable, "-c", program, store], check=True, capture_output=True, text=True).stdout
    assert "let the recorder's user write there" in told


async def test_a_rotten_local_file_is_not_stored(tmp_path: Path, store: Path) -> None:
    upload = segment(tmp_path)
    content = bytearray(upload.path.read_bytes())
    content[5] ^= 1
    upload.path.write_bytes(content)
    with pytest.raises(LocalFileDamaged):
        await Folder(store).put(upload, Memory())
    assert files(store) == []


async def test_check_leaves_nothing_behind(store: Path) -> None:
    await Folder(store).check()
    assert files(store) == []


async def test_the_control_plane_reads_the_store_by_group_although_the_recorder_is_private(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o750)
    before = os.umask(0o077)
    try:
        upload = segment(tmp_path)
        await Folder(tmp_path / "store").put(upload, Memory())
    finally:
        os.umask(before)
    path = tmp_path / "store" / upload.object_name
    assert path.stat().st_mode & 0o777 == 0o640
    assert {parent.stat().st_mode & 0o777 for parent in list(path.parents)[: upload.object_name.count("/")]} == {0o750}
