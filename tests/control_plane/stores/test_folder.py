"""A folder as a store."""

import asyncio
import base64
import contextlib
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import google_crc32c
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.stores import (
    NewUpload,
    NoSuchObjectError,
    Store,
    StoredObject,
    StoreUnavailableError,
    UploadsNotBrokeredError,
    open_store,
)
from control_plane.stores.folder import FolderStore

NAME = "cameras/1/2026/03/01/2/20260301T200000.000Z_3.mp4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    (folder / NAME).parent.mkdir(parents=True)
    return folder


@pytest_asyncio.fixture
async def store(folder: Path, tmp_path: Path) -> Store:
    return open_store(folder.as_uri(), default_folder=tmp_path / "unused", credentials=None)


async def test_a_file_is_known_by_its_size_and_checksum(store: Store, folder: Path) -> None:
    content = os.urandom(3 * 1024 * 1024 + 17)
    (folder / NAME).write_bytes(content)
    crc32c = base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
    assert await store.look_up(NAME) == StoredObject(len(content), crc32c, generation=0)


async def test_changed_bytes_are_noticed_though_size_and_time_stay(store: Store, folder: Path) -> None:
    file = folder / NAME
    file.write_bytes(b"a" * 100)
    before = await store.look_up(NAME)
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_bytes(b"b" * 100)
    os.utime(file, ns=times)
    after = await store.look_up(NAME)
    assert before is not None
    assert after is not None
    assert before.crc32c != after.crc32c


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "cameras/../../secret",
        "/etc/passwd",
        "cameras//secret",
        "",
        ".",
        "..",
        "cameras/.hidden",
        "cam\0eras",
        "cameras\\..\\secret",
        "cameras/link",
        "cameras/linked-folder/secret",
        "cameras/1",
        "cameras/pipe",
        "x" * 5000,
    ],
)
async def test_no_name_leads_out_of_the_folder_or_to_what_is_no_file(store: Store, folder: Path, name: str) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    for secret in (folder.parent / "secret", outside / "secret", folder / "cameras" / ".hidden"):
        secret.write_bytes(b"secret")
    (folder / "cameras" / "linked-folder").symlink_to(outside)
    os.mkfifo(folder / "cameras" / "pipe")
    (folder / "cameras" / "link").symlink_to(folder.parent / "secret")
    assert await store.look_up(name) is None


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(alphabet=st.sampled_from("./\\~a\0%2e"), max_size=20))
async def test_no_generated_name_finds_anything_outside(store: Store, folder: Path, name: str) -> None:
    (folder.parent / "a").write_bytes(b"secret")
    assert await store.look_up(name) is None


async def test_a_folder_that_is_gone_is_a_store_that_is_unavailable(tmp_path: Path) -> None:
    store = open_store((tmp_path / "unmounted").as_uri(), default_folder=tmp_path, credentials=None)
    with pytest.raises(StoreUnavailableError, match="No such file"):
        await store.look_up(NAME)


async def test_an_upload_can_not_be_brokered_and_the_reason_says_what_to_do(store: Store) -> None:
    upload = NewUpload(NAME, 1, "AAAAAA==", {})
    with pytest.raises(UploadsNotBrokeredError, match="STORAGE_URL on the recorder"):
        await store.open_upload(upload, datetime(2026, 3, 1, tzinfo=UTC))


async def test_without_a_url_the_default_folder_is_made(tmp_path: Path) -> None:
    default = tmp_path / "data" / "bucket"
    store = open_store("", default_folder=default, credentials=None)
    assert default.is_dir()
    assert store.url == default.as_uri()
    assert await store.look_up(NAME) is None


@pytest.mark.parametrize(
    "url", ["s3://x", "gs://", "gs://UPPER", "gs://b/path", "file://host/x", "file:relative", "/x", "gs:/b"]
)
async def test_a_url_that_is_no_stores_is_refused_with_what_to_write(url: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="gs://BUCKET, or file:///FOLDER"):
        open_store(url, default_folder=tmp_path, credentials=None)


async def test_objects_that_wait_for_a_thread_have_all_their_time_when_it_is_their_turn(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen at once, as everybody asks: the last begins when the first would have had to end."""
    (folder / NAME).write_bytes(b"footage")
    extend = google_crc32c.extend

    def slowly(checksum: int, chunk: bytes) -> int:
        time.sleep(0.5)
        return int(extend(checksum, chunk))

    monkeypatch.setattr(google_crc32c, "extend", slowly)
    async with contextlib.aclosing(_Closing(folder, limit_seconds=1.8)) as store:
        found = await asyncio.gather(*(store.look_up(NAME) for _ in range(16)))
    assert {one.size_bytes for one in found if one} == {7}
    assert None not in found


async def test_a_disk_that_hangs_is_told_and_what_waits_for_it_does_not_wait_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / NAME).write_bytes(b"footage")
    moves = threading.Event()
    extend = google_crc32c.extend

    def hang(checksum: int, chunk: bytes) -> int:
        moves.wait()
        return int(extend(checksum, chunk))

    monkeypatch.setattr(google_crc32c, "extend", hang)
    async with contextlib.aclosing(_Closing(folder, limit_seconds=0.2)) as store:
        try:
            hung = await asyncio.gather(*(store.look_up(NAME) for _ in range(8)), return_exceptions=True)
            assert {type(each) for each in hung} == {StoreUnavailableError}
        finally:
            moves.set()
        # What the disk had in hand ends sometime, and then its threads are there again.
        while True:
            with contextlib.suppress(StoreUnavailableError):
                assert await store.look_up(NAME) is not None
                break


class _Closing(FolderStore):
    """Closed at the end of a block."""

    async def aclose(self) -> None:
        await self.close()


async def test_a_part_of_a_file_is_read_as_it_is(store: Store, folder: Path) -> None:
    content = os.urandom(3 * 1024 * 1024 + 17)
    (folder / NAME).write_bytes(content)
    for start, length in ((0, 8), (1024 * 1024 - 3, 2 * 1024 * 1024), (len(content) - 5, 5), (0, len(content))):
        assert b"".join([piece async for piece in store.read_part(NAME, start, length)]) == content[start:][:length]
    with pytest.raises(NoSuchObjectError):
        await anext(store.read_part("cameras/none.mp4", 0, 8))
