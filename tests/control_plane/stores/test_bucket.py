"""A bucket as a store, against a server that is strict about Google's protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from control_plane.stores import (
    NameTakenError,
    NewUpload,
    NoSuchObjectError,
    Removal,
    Store,
    StoredObject,
    StoreUnavailableError,
    open_store,
)
from control_plane.stores.bucket import BucketStore
from tests.ports import free_port
from tests.recorder.gcs import Gcs, gcs_server

NOW = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
NAME = "cameras/1/2026/03/01/2/20260301T200000.000Z_3.mp4"
CONTENT = b"camfleet" * 1000
CRC32C = "viFx5w=="
LIMIT_SECONDS = 30
"""For what would otherwise last for ever."""


@pytest_asyncio.fixture
async def gcs() -> AsyncIterator[Gcs]:
    async with gcs_server() as gcs:
        yield gcs


@pytest_asyncio.fixture
async def store(gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
    gcs.needs_token = False
    async with closing(open_store(f"gs://{gcs.bucket}", default_folder=tmp_path, credentials=None)) as store:
        yield store


@asynccontextmanager
async def closing(store: Store) -> AsyncIterator[Store]:
    """Closed also when a test fails: an open one would fail another test with its warning."""
    try:
        yield store
    finally:
        await store.close()


def upload(name: str = NAME, crc32c: str = CRC32C) -> NewUpload:
    return NewUpload(name, len(CONTENT), crc32c, {"segment-id": "3"})


async def send(uri: str, content: bytes) -> httpx.Response:
    headers = {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"}
    async with httpx.AsyncClient() as http:
        return await http.put(uri, content=content, headers=headers)


async def test_an_opened_upload_creates_the_object_and_the_store_sees_its_checksum(gcs: Gcs, store: Store) -> None:
    assert store.is_brokered
    assert await store.look_up(NAME) is None
    opened = await store.open_upload(upload(), NOW)
    assert timedelta(days=5) < opened.expires_at - NOW < timedelta(days=7)
    assert (await send(opened.uri, CONTENT)).status_code == 200
    stored = gcs.objects[NAME]
    assert await store.look_up(NAME) == StoredObject(len(CONTENT), stored["crc32c"], int(stored["generation"]))
    assert (stored["contentType"], stored["metadata"]) == ("video/mp4", {"segment-id": "3"})


async def test_an_opened_upload_takes_no_other_bytes(gcs: Gcs, store: Store) -> None:
    opened = await store.open_upload(upload(), NOW)
    assert (await send(opened.uri, CONTENT[::-1])).status_code == 400
    assert await store.look_up(NAME) is None


async def test_an_opened_upload_never_replaces_what_is_there(gcs: Gcs, store: Store) -> None:
    first, second = [await store.open_upload(upload(), NOW) for _ in range(2)]
    assert (await send(first.uri, CONTENT)).status_code == 200
    assert (await send(second.uri, CONTENT)).status_code == 412
    with pytest.raises(NameTakenError):
        await store.open_upload(upload(), NOW)


async def test_an_object_is_deleted_once_and_only_as_the_one_that_was_meant(gcs: Gcs, store: Store) -> None:
    gcs.permissions.append("storage.objects.delete")
    await send((await store.open_upload(upload(), NOW)).uri, CONTENT)
    generation = int(gcs.objects[NAME]["generation"])
    assert await store.delete(NAME, generation - 1) is Removal.ANOTHER
    assert NAME in gcs.objects
    assert await store.delete(NAME, generation) is Removal.GONE
    assert NAME not in gcs.objects
    assert await store.delete(NAME, generation) is Removal.GONE, "repeating is safe"


async def test_what_the_bucket_holds_is_kept_until_it_is_released(gcs: Gcs, store: Store) -> None:
    gcs.permissions += ["storage.objects.delete", "storage.objects.update"]
    await send((await store.open_upload(upload(), NOW)).uri, CONTENT)
    generation = int(gcs.objects[NAME]["generation"])
    assert store.has_holds
    assert await store.set_hold(NAME, is_held=True)
    assert await store.delete(NAME, generation) is Removal.KEPT
    assert await store.set_hold(NAME, is_held=False)
    assert await store.delete(NAME, generation) is Removal.GONE
    assert not await store.set_hold(NAME, is_held=True), "there is nothing to hold any more"


async def test_what_the_bucket_s_policy_keeps_is_told_apart_from_what_somebody_holds(gcs: Gcs, store: Store) -> None:
    gcs.permissions.append("storage.objects.delete")
    await send((await store.open_upload(upload(), NOW)).uri, CONTENT)
    gcs.objects[NAME]["retentionExpirationTime"] = "2027-03-01T20:00:00Z"
    assert await store.delete(NAME, int(gcs.objects[NAME]["generation"])) is Removal.TOO_YOUNG


async def test_a_missing_permission_is_named(gcs: Gcs, store: Store) -> None:
    await send((await store.open_upload(upload(), NOW)).uri, CONTENT)
    with pytest.raises(StoreUnavailableError, match=r"needs storage\.objects\.delete"):
        await store.delete(NAME, 1)
    with pytest.raises(StoreUnavailableError, match=r"needs storage\.objects\.update"):
        await store.set_hold(NAME, is_held=True)
    assert NAME in gcs.objects


async def test_downloads_that_nobody_goes_on_reading_hold_up_nothing_else(gcs: Gcs, store: Store) -> None:
    await send((await store.open_upload(upload(), NOW)).uri, CONTENT)
    async with AsyncExitStack() as left_open:
        for _ in range(32):
            download = await left_open.enter_async_context(aclosing(store.read(NAME)))
            assert await anext(download)
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await store.look_up(NAME) is not None
            await store.open_upload(upload("cameras/1/2026/03/01/2/20260301T200100.000Z_4.mp4"), NOW)


async def test_a_download_that_is_broken_off_lets_go_at_once(gcs: Gcs, store: Store) -> None:
    await send((await store.open_upload(upload(), NOW)).uri, CONTENT)
    async with asyncio.timeout(LIMIT_SECONDS):
        for _ in range(50):
            async with aclosing(store.read(NAME)) as download:
                assert await anext(download)
        assert b"".join([piece async for piece in store.read(NAME)]) == CONTENT


async def test_what_waits_for_its_turn_gives_up_as_well(gcs: Gcs, store: Store) -> None:
    busy = BucketStore(gcs.bucket, None, timeout_seconds=0.2)
    async with closing(busy), AsyncExitStack() as requests, asyncio.timeout(LIMIT_SECONDS):
        for _ in range(32):
            await requests.enter_async_context(busy._turns)
        for asking in (busy.look_up(NAME), busy.open_upload(upload(), NOW), busy.delete(NAME, 1)):
            with pytest.raises(StoreUnavailableError):
                await asking


async def test_a_session_shows_no_secret_when_it_is_printed(gcs: Gcs, store: Store) -> None:
    opened = await store.open_upload(upload(), NOW)
    assert "upload_id" not in repr(opened)


async def test_a_bucket_that_does_not_answer_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{free_port()}")
    store = open_store("gs://camfleet-tests", default_folder=tmp_path, credentials=None)
    async with closing(store):
        with pytest.raises(StoreUnavailableError, match="can't be reached"):
            await store.look_up(NAME)
        with pytest.raises(StoreUnavailableError, match="can't be reached"):
            await store.open_upload(upload(), NOW)


async def test_a_bucket_that_refuses_is_unavailable(gcs: Gcs, store: Store) -> None:
    gcs.needs_token = True
    with pytest.raises(StoreUnavailableError, match="answered 401"):
        await store.look_up(NAME)
    with pytest.raises(StoreUnavailableError, match="answered 401"):
        await store.open_upload(upload(), NOW)


async def test_a_wrong_credentials_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    file = tmp_path / "key.json"
    file.write_text(
        '{"type": "service_account", "client_email": "a@b", "private_key": "none", "token_uri": "http://127.0.0.1:9"}'
    )
    store = open_store("gs://camfleet-tests", default_folder=tmp_path, credentials=file)
    async with closing(store):
        with pytest.raises(StoreUnavailableError, match="GCP_CREDENTIALS_PATH"):
            await store.look_up(NAME)


async def test_a_part_of_an_object_is_read_as_it_is(gcs: Gcs, store: Store) -> None:
    await send((await store.open_upload(upload(), NOW)).uri, CONTENT)
    for start, length in ((0, 8), (13, 4000), (len(CONTENT) - 5, 5), (0, len(CONTENT))):
        assert b"".join([piece async for piece in store.read_part(NAME, start, length)]) == CONTENT[start:][:length]
    with pytest.raises(NoSuchObjectError):
        await anext(store.read_part("cameras/none.mp4", 0, 8))
