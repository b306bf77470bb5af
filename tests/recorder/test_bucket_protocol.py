"""The bucket that judges our uploads answers as Google's does; so it must be fit to judge."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from recorder.errors import StorageUnavailable, UploadSessionGone
from recorder.storage.gcs import Bucket
from recorder.storage.pace import FIRST_BYTES, LARGEST_PIECE, SMALLEST_PIECE, UNIT_BYTES, Pace
from recorder.storage.patience import LONGEST_ASKED, Patience, asked_wait
from recorder.storage.resumable import ResumableUpload
from tests.recorder.bucket_situations import EXPECTED, answers
from tests.recorder.gcs import UNIT, FaultKind, Gcs
from tests.recorder.test_bucket import NAME, QUICK, Memory, segment

SECOND = timedelta(seconds=1)


async def test_the_bucket_answers_as_google_does_in_every_situation(gcs: Gcs) -> None:
    gcs.needs_token = False
    assert {situation: told async for situation, told in answers(gcs.root)} == EXPECTED
    gcs.violations.clear()  # many of the situations are some


async def test_a_wait_that_the_store_asks_for_is_kept(gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path) -> None:
    waits: list[timedelta] = []

    async def noted(wait: timedelta) -> None:
        waits.append(wait)
        await asyncio.sleep(0)

    gcs.retry_after = ["7", "86400"]
    gcs.faults.extend([FaultKind.TOO_MANY, FaultKind.UNAVAILABLE])
    patience = Patience(4, QUICK.backoff, noted)
    uri = gcs.open_session(NAME)
    await ResumableUpload(http_client, uri, segment(tmp_path), Pace(UNIT, patience.silence), patience).run(is_new=True)
    assert waits == [7 * SECOND, LONGEST_ASKED]


async def test_who_gives_up_tells_how_long_the_store_asked_to_wait(
    gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    gcs.retry_after = ["7"]
    gcs.faults.extend([FaultKind.TOO_MANY])
    patience = Patience(1, QUICK.backoff)
    upload = ResumableUpload(http_client, gcs.open_session(NAME), segment(tmp_path), Pace(UNIT, SECOND), patience)
    with pytest.raises(StorageUnavailable) as caught:
        await upload.run(is_new=True)
    assert caught.value.asked == 7 * SECOND


@pytest.mark.parametrize(
    ("told", "date", "wait"),
    [
        ("0", "", 0),
        ("120", "", 120),
        ("999999999", "", 300),
        ("99999999999999999999", "", 0),
        ("-5", "", 0),
        ("soon", "", 0),
        ("Sun, 01 Mar 2026 20:00:30 GMT", "Sun, 01 Mar 2026 20:00:00 GMT", 30),
        ("Sun, 01 Mar 2026 20:00:30 GMT", "", 0),
        ("Sun, 01 Mar 2026 19:00:00 GMT", "Sun, 01 Mar 2026 20:00:00 GMT", 0),
        ("Sun, 01 Mar 2076 20:00:30 GMT", "Sun, 01 Mar 2026 20:00:00 GMT", 300),
    ],
)
def test_what_retry_after_means(told: str, date: str, wait: int) -> None:
    assert asked_wait({"Retry-After": told, "Date": date}) == wait * SECOND


def test_a_chunk_is_what_the_uplink_takes_in_a_sixth_of_the_patience() -> None:
    pace = Pace(32 * UNIT_BYTES, 60 * SECOND)
    assert pace.chunk_bytes == FIRST_BYTES
    sizes = []
    for _ in range(6):
        pace.arrived(pace.chunk_bytes, 0.1 * SECOND)
        sizes.append(pace.chunk_bytes // UNIT_BYTES)
    assert sizes == [4, 8, 16, 32, 32, 32]
    pace.arrived(pace.chunk_bytes, 672 * SECOND)  # 100 kbit/s
    assert pace.chunk_bytes == UNIT_BYTES
    pace.arrived(UNIT_BYTES, timedelta(0))
    pace.broke()
    assert pace.chunk_bytes == UNIT_BYTES


def test_the_short_end_of_a_file_says_nothing_against_larger_chunks() -> None:
    pace = Pace(32 * UNIT_BYTES, 60 * SECOND)
    for _ in range(6):
        pace.arrived(pace.chunk_bytes, 0.1 * SECOND)
    piece = pace.piece_bytes
    pace.arrived(5000, 0.3 * SECOND, is_end=True)
    assert (pace.chunk_bytes, pace.piece_bytes) == (32 * UNIT_BYTES, piece)
    pace.arrived(5000, 30 * SECOND, is_end=True)
    assert pace.chunk_bytes == UNIT_BYTES, "unless even that took long"


def test_a_piece_is_what_goes_in_a_second() -> None:
    pace = Pace(32 * UNIT_BYTES, 60 * SECOND)
    pace.arrived(UNIT_BYTES, 8 * SECOND)
    assert pace.piece_bytes == UNIT_BYTES // 8
    pace.arrived(UNIT_BYTES, 800 * SECOND)
    assert pace.piece_bytes == SMALLEST_PIECE
    pace.arrived(UNIT_BYTES, 0.01 * SECOND)
    assert pace.piece_bytes == LARGEST_PIECE


def test_a_line_that_brings_not_even_the_smallest_chunk_gets_more_patience_until_it_does() -> None:
    pace = Pace(32 * UNIT_BYTES, 60 * SECOND)
    waits = []
    for _ in range(5):
        pace.broke()
        waits.append(pace.patience / SECOND)
    assert waits == [60, 120, 240, 480, 480], "first the chunk shrinks"
    pace.arrived(UNIT_BYTES, 50 * SECOND)
    assert pace.patience == 300 * SECOND
    pace.arrived(UNIT_BYTES, 1 * SECOND)
    assert pace.patience == 60 * SECOND


async def test_a_slow_uplink_gets_small_chunks_and_no_request_is_given_up(
    gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    patience = Patience(2, QUICK.backoff, silence=6 * SECOND)
    gcs.bytes_per_second = 2 * UNIT
    pace = Pace(16 * UNIT, patience.silence)
    upload = segment(tmp_path, size=6 * UNIT)
    await ResumableUpload(http_client, gcs.open_session(NAME), upload, pace, patience).run(is_new=True)
    spans = [put.removeprefix("bytes ").partition("/")[0].split("-") for put in gcs.puts]
    assert ["*"] not in spans, "none was given up, so there was nothing to ask"
    assert max(int(last) + 1 - int(first) for first, last in spans) <= 4 * UNIT


async def test_bytes_that_were_damaged_on_their_way_go_again_in_another_session(
    gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    upload = segment(tmp_path, size=UNIT)
    uri = gcs.open_session(NAME, upload.size_bytes, {"crc32c": "AAAAAA=="})
    with pytest.raises(UploadSessionGone, match="answered 400"):
        await ResumableUpload(http_client, uri, upload, Pace(UNIT, SECOND), QUICK).run(is_new=True)
    assert gcs.objects == {}


async def test_an_object_whose_session_is_gone_with_the_last_answer_is_not_sent_again(
    gcs: Gcs, http_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    gcs.needs_token = False
    upload, memory = segment(tmp_path), Memory()
    bucket = Bucket(http_client, gcs.bucket, None, chunk_bytes=8 * UNIT, patience=QUICK, api_root=gcs.root)
    first = await bucket.put(upload, memory)
    assert memory.uri is not None
    gcs.sessions.clear()  # a week later, after a power cut that came before this was written down
    sent = gcs.bytes_taken
    assert await bucket.put(upload, memory) == first
    assert (gcs.bytes_taken, gcs.opened) == (sent, 1)
    await bucket.close()
