"""Uploads to a bucket: what is stored is what was on the disk, whatever happens on the way."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from recorder.backoff import Backoff
from recorder.errors import (
    LocalFileDamaged,
    ObjectDiffers,
    StorageError,
    StorageRefused,
    StorageUnavailable,
    UploadSessionGone,
)
from recorder.storage.gcs import Bucket, Credentials
from recorder.storage.interface import Upload, checksum
from recorder.storage.pace import Pace
from recorder.storage.patience import Patience
from recorder.storage.resumable import ResumableUpload
from tests.recorder.gcs import UNIT, FaultKind, Gcs
from tests.recorder.gcs_tokens import ACCESS_TOKEN

QUICK = Patience(attempts=4, backoff=Backoff(timedelta(milliseconds=1), timedelta(milliseconds=5)))
NAME = "cameras/c/2026/03/01/r/20260301T200000.000Z_s.mp4"


class Memory:
    """A session's URI, kept as the spool does."""

    def __init__(self, uri: str | None = None) -> None:
        self.uri = uri

    async def recall(self) -> str | None:
        return self.uri

    async def remember(self, uri: str | None) -> None:
        self.uri = uri


@pytest.fixture
async def bucket(gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Bucket]:
    credentials = Credentials(gcs.credentials(tmp_path))
    bucket = Bucket(http_client, gcs.bucket, credentials, chunk_bytes=2 * UNIT, patience=QUICK, api_root=gcs.root)
    yield bucket
    await bucket.close()


def segment(folder: Path, size: int = 5 * UNIT + 4321, seed: int = 1) -> Upload:
    path = folder / f"{seed}.mp4"
    path.write_bytes(random.Random(seed).randbytes(size))
    return Upload(path, NAME, size, checksum(path, size), {"camera": "c", "recorder": "r"})


async def test_an_upload_arrives_in_chunks_with_its_metadata(gcs: Gcs, bucket: Bucket, tmp_path: Path) -> None:
    upload = segment(tmp_path)
    generation = await bucket.put(upload, Memory())
    stored = gcs.objects[NAME]
    assert gcs.bodies[NAME] == upload.path.read_bytes()
    assert (stored["generation"], stored["crc32c"]) == (str(generation), upload.crc32c)
    assert stored["metadata"] == {"camera": "c", "recorder": "r"}
    assert stored["contentType"] == "video/mp4"
    assert len(gcs.puts) == 3


@pytest.mark.parametrize(
    "fault",
    [
        FaultKind.RESET_AT_ONCE,
        FaultKind.RESET_MIDWAY,
        FaultKind.UNAVAILABLE,
        FaultKind.TOO_MANY,
        FaultKind.PERSISTS_LESS,
        FaultKind.PERSISTS_NOTHING,
        FaultKind.ANSWER_LOST,
        FaultKind.ANSWER_GARBLED,
        FaultKind.SESSION_GONE,
    ],
)
@pytest.mark.parametrize("at", [0, 1, 2])
async def test_an_upload_survives_a_fault_at_any_chunk(
    gcs: Gcs, bucket: Bucket, tmp_path: Path, fault: FaultKind, at: int
) -> None:
    upload = segment(tmp_path)
    gcs.faults.extend([*[None] * at, fault])
    generation = await bucket.put(upload, Memory())
    assert gcs.bodies[NAME] == upload.path.read_bytes()
    assert gcs.objects[NAME]["generation"] == str(generation)
    assert gcs.opened == (2 if fault is FaultKind.SESSION_GONE else 1)


async def test_only_what_the_server_lacks_is_sent_again(gcs: Gcs, bucket: Bucket, tmp_path: Path) -> None:
    upload = segment(tmp_path)
    confirmed: list[int] = []
    watched = Upload(upload.path, NAME, upload.size_bytes, upload.crc32c, advanced=confirmed.append)
    gcs.faults.extend([None, FaultKind.RESET_MIDWAY, FaultKind.PERSISTS_LESS])
    await bucket.put(watched, Memory())
    assert sum(confirmed) == upload.size_bytes
    assert gcs.bytes_taken == upload.size_bytes


async def test_an_upload_goes_on_after_a_restart(gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path) -> None:
    upload, memory = segment(tmp_path), Memory()
    first = Bucket(http_client, gcs.bucket, None, chunk_bytes=2 * UNIT, patience=QUICK, api_root=gcs.root)
    gcs.needs_token = False
    gcs.faults.extend([None, FaultKind.RESET_AT_ONCE, *[FaultKind.UNAVAILABLE] * 5])
    with pytest.raises(StorageUnavailable):
        await first.put(upload, memory)
    assert memory.uri is not None
    gcs.faults.clear()
    gcs.puts.clear()
    second = Bucket(http_client, gcs.bucket, None, chunk_bytes=2 * UNIT, patience=QUICK, api_root=gcs.root)
    await second.put(upload, memory)
    assert gcs.puts[:2] == [
        f"bytes */{upload.size_bytes}",
        f"bytes {2 * UNIT}-{4 * UNIT - 1}/{upload.size_bytes}",
    ]
    assert gcs.opened == 1
    assert gcs.bodies[NAME] == upload.path.read_bytes()


async def test_a_server_that_fails_for_ever_ends_the_try_and_keeps_the_session(
    gcs: Gcs, bucket: Bucket, tmp_path: Path
) -> None:
    memory = Memory()
    gcs.faults.extend([FaultKind.PERSISTS_NOTHING] * 50)
    with pytest.raises(StorageUnavailable):
        await bucket.put(segment(tmp_path), memory)
    assert memory.uri is not None
    assert len(gcs.puts) < 10


async def test_an_equal_object_that_is_there_already_is_a_success(gcs: Gcs, bucket: Bucket, tmp_path: Path) -> None:
    upload = segment(tmp_path)
    generation = await bucket.put(upload, Memory())
    assert await bucket.put(upload, Memory()) == generation
    assert gcs.opened == 1


async def test_an_object_with_other_bytes_is_never_overwritten(gcs: Gcs, bucket: Bucket, tmp_path: Path) -> None:
    await bucket.put(segment(tmp_path, seed=1), Memory())
    before = gcs.bodies[NAME]
    with pytest.raises(ObjectDiffers, match="other bytes"):
        await bucket.put(segment(tmp_path, seed=2), Memory())
    assert gcs.bodies[NAME] == before


async def test_two_uploads_of_one_segment_end_with_one_object(gcs: Gcs, bucket: Bucket, tmp_path: Path) -> None:
    upload = segment(tmp_path)
    first, second = await asyncio.gather(bucket.put(upload, Memory()), bucket.put(upload, Memory()))
    assert first == second
    assert gcs.bodies[NAME] == upload.path.read_bytes()


async def test_a_file_that_rotted_on_disk_is_noticed_and_not_stored(gcs: Gcs, bucket: Bucket, tmp_path: Path) -> None:
    upload = segment(tmp_path)
    content = bytearray(upload.path.read_bytes())
    content[1000] ^= 1
    upload.path.write_bytes(content)
    with pytest.raises(LocalFileDamaged, match="checksum of its sealing"):
        await bucket.put(upload, Memory())
    assert gcs.objects == {}


@pytest.mark.parametrize("damage", ["shorter", "gone"])
async def test_a_file_that_shrank_or_vanished_is_noticed(bucket: Bucket, tmp_path: Path, damage: str) -> None:
    upload = segment(tmp_path)
    if damage == "gone":
        upload.path.unlink()
    else:
        upload.path.write_bytes(b"short")
    with pytest.raises(LocalFileDamaged):
        await bucket.put(upload, Memory())


async def test_no_error_shows_the_sessions_uri(gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path) -> None:
    upload = segment(tmp_path)
    uri = gcs.open_session(NAME, upload.size_bytes)
    for fault, error in [
        (FaultKind.FORBIDDEN, StorageRefused),
        (FaultKind.RESET_AT_ONCE, StorageUnavailable),
        (FaultKind.SESSION_GONE, UploadSessionGone),
    ]:
        gcs.faults.extend([fault] * 9)
        with pytest.raises(error) as caught:
            await ResumableUpload(http_client, uri, upload, Pace(2 * UNIT, QUICK.silence), QUICK).run(is_new=True)
        shown: BaseException | None = caught.value
        assert "secret-session" not in str(shown)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        gcs.faults.clear()


async def test_a_brokered_session_needs_no_credentials(
    gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    upload = segment(tmp_path)
    uri = gcs.open_session(NAME, upload.size_bytes)
    generation = await ResumableUpload(http_client, uri, upload, Pace(2 * UNIT, QUICK.silence), QUICK).run(is_new=True)
    assert gcs.objects[NAME]["generation"] == str(generation)
    assert (
        await ResumableUpload(http_client, uri, upload, Pace(2 * UNIT, QUICK.silence), QUICK).run(is_new=False)
        == generation
    )


async def test_a_key_that_was_renewed_is_used_without_a_restart(gcs: Gcs, tmp_path: Path) -> None:
    file = gcs.credentials(tmp_path)
    good = file.read_text()
    stranger = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_text(json.dumps(json.loads(good) | {"private_key": stranger.decode()}))
    credentials = Credentials(file)
    with pytest.raises(StorageRefused, match="renew the key"):
        await credentials.header()
    file.write_text(good)
    assert await credentials.header() == {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    await credentials.close()


async def test_check_names_the_permission_that_is_missing(gcs: Gcs, bucket: Bucket) -> None:
    await bucket.check()
    gcs.permissions.remove("storage.objects.create")
    with pytest.raises(StorageRefused, match=r"storage\.objects\.create"):
        await bucket.check()


async def test_a_wrong_bucket_name_is_told(gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path) -> None:
    credentials = Credentials(gcs.credentials(tmp_path))
    bucket = Bucket(http_client, "no-such", credentials, chunk_bytes=UNIT, patience=QUICK, api_root=gcs.root)
    with pytest.raises(StorageRefused, match="no bucket no-such"):
        await bucket.check()
    with pytest.raises(StorageError):
        await bucket.put(segment(tmp_path), Memory())
    await bucket.close()


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "not json",
        "[]",
        '{"project_id": "x"}',
        '{"type": "service_account", "client_email": "a@b", "token_uri": "http://127.0.0.1:9/t"}',
        '{"type": "service_account", "client_email": "a@b", "token_uri": "http://127.0.0.1:9/t", "private_key": "x"}',
    ],
)
async def test_credentials_that_are_none_are_told(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(StorageRefused, match="GCP_CREDENTIALS_PATH"):
        await Credentials(file).header()
