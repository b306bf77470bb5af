"""Whatever is done to stored footage later shows, and the segment is named. In a folder and in a bucket."""

import hashlib
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from control_plane.custody import rows
from control_plane.custody.rows import link_of
from control_plane.models import Segment, SegmentState
from tests.control_plane.custody.chained import MINUTE, START, Scene, content, crc32c


@pytest.mark.parametrize("with_bytes", [False, True])
async def test_what_is_as_it_was_recorded_is_found_so(yard: Scene, with_bytes: bool) -> None:
    assert await yard.findings(with_bytes=with_bytes) == []


async def test_a_flipped_byte(yard: Scene) -> None:
    data = bytearray(content(3))
    data[500] ^= 1
    yard.put(yard.number(3), bytes(data))
    assert await yard.problems() == [("object_altered", 3)]


async def test_a_removed_object(yard: Scene) -> None:
    yard.remove(yard.number(3))
    assert await yard.problems() == [("object_missing", 3)]


async def test_what_lies_in_another_store_is_not_called_missing_nor_well(yard: Scene) -> None:
    yard.remove(yard.number(3))
    await yard.change(yard.number(3), store_url="gs://old")
    await yard.change(yard.number(4), store_url=yard.services.store.url)
    assert await yard.problems() == [("object_elsewhere", 3)]


async def test_a_segment_removed_with_its_row(yard: Scene) -> None:
    await yard.erase(yard.number(3))
    assert await yard.problems() == [("segment_removed", 3)]


async def test_the_newest_segments_removed_with_their_rows(yard: Scene) -> None:
    for sequence in (4, 5):
        await yard.erase(yard.number(sequence))
    assert await yard.problems() == [("segment_removed", 4), ("segment_removed", 5)]
    (_, newest) = await yard.findings()
    assert newest.segment_id == yard.number(5).id, "the head tells its id"


async def test_the_oldest_segment_removed_with_its_row(yard: Scene) -> None:
    await yard.erase(yard.number(1))
    assert ("segment_removed", 1) in await yard.problems()


async def test_all_segments_removed_with_their_rows(yard: Scene) -> None:
    for segment in yard.segments:
        await yard.erase(segment)
    assert await yard.problems() == [("segment_removed", sequence) for sequence in range(1, 6)]


async def test_what_was_removed_elsewhere_in_the_chain_is_told_too(yard: Scene) -> None:
    await yard.erase(yard.number(2))
    found = await yard.findings(START + 4 * MINUTE, START + 5 * MINUTE)
    assert [(finding.kind.value, "not only of this period" in finding.text) for finding in found] == [
        ("segment_removed", True)
    ]


async def test_two_swapped_objects(yard: Scene) -> None:
    yard.put(yard.number(2), content(4))
    yard.put(yard.number(4), content(2))
    found = await yard.findings()
    assert [(finding.kind.value, finding.sequence) for finding in found] == [
        ("object_swapped", 2),
        ("object_swapped", 4),
    ]
    assert str(yard.number(4).id) in found[0].text


async def test_an_inserted_object(yard: Scene) -> None:
    name = yard.number(3).object_name.replace(str(yard.number(3).id), str(uuid7()))
    yard.put_as(name, b"not ours")
    (finding,) = await yard.findings()
    assert (finding.kind.value, finding.object_name) == ("object_inserted", name)


@pytest.mark.parametrize("chained", [True, False])
async def test_an_inserted_segment_with_row_and_object(yard: Scene, chained: bool) -> None:
    data, genuine = b"staged footage", yard.number(3)
    inserted = Segment(
        id=(id_ := uuid7()),
        recording_id=yard.recording_id,
        camera_id=yard.camera_id,
        client_id=yard.client_id,
        started_at=genuine.started_at,
        ended_at=genuine.ended_at,
        state=SegmentState.STORED,
        size_bytes=len(data),
        crc32c=crc32c(data),
        sha256=hashlib.sha256(data).hexdigest(),
        previous_sha256=yard.number(2).sha256,
        codec="h264",
        packets=1500,
        object_name=genuine.object_name.replace(str(genuine.id), str(id_)),
        chain_id=yard.chain_id if chained else None,
        sequence=3 if chained else None,
    )
    if chained:
        inserted.link_sha256 = link_of(inserted).sha256_after(yard.number(2).link_sha256)
    yard.put_as(inserted.object_name, data)
    async with yard.services.sessions.begin() as session:
        session.add(inserted)
    found = [finding for finding in await yard.findings() if finding.is_problem]
    assert [finding.kind.value for finding in found] == ["segment_inserted"]
    assert found[0].segment_id == id_


@pytest.mark.parametrize(
    "columns",
    [
        {"sha256": "ab" * 32},
        {"ended_at": START + timedelta(minutes=3, seconds=30)},
        {"clock_error_seconds": 0.0},
        {"packets": 1499},
        {"link_sha256": "cd" * 32},
        {"recording_id": uuid7()},
    ],
    ids=lambda columns: next(iter(columns)),
)
async def test_an_edited_row(yard: Scene, columns: dict[str, object]) -> None:
    await yard.change(yard.number(3), **columns)
    found = await yard.problems()
    assert found[0] == ("row_altered", 3)


async def test_an_edited_previous_hash(yard: Scene) -> None:
    await yard.change(yard.number(4), previous_sha256="ab" * 32)
    assert await yard.problems() == [("row_altered", 4)]


async def test_object_and_row_exchanged_with_a_link_reckoned_anew(yard: Scene) -> None:
    data, segment = content(99), yard.number(3)
    yard.put(segment, data)
    segment.sha256, segment.crc32c = hashlib.sha256(data).hexdigest(), crc32c(data)
    await yard.change(
        segment,
        sha256=segment.sha256,
        crc32c=segment.crc32c,
        link_sha256=link_of(segment).sha256_after(yard.number(2).link_sha256),
    )
    found = [finding for finding in await yard.findings() if finding.is_problem]
    assert ("row_altered", 4) in [(finding.kind.value, finding.sequence) for finding in found]
    assert any(str(segment.id) in finding.text for finding in found), "the one before is named, too"


async def test_the_whole_chain_reckoned_anew_is_not_what_its_recorder_told(yard: Scene) -> None:
    previous = None
    for segment in yard.segments:
        segment.clock_error_seconds = 0.0
        link = link_of(segment).sha256_after(previous)
        await yard.change(segment, clock_error_seconds=0.0, link_sha256=link)
        previous = link
    assert await yard.problems() == [("head_differs", 5)]


async def test_a_file_replaced_by_one_of_equal_size_and_crc32c_shows_by_its_bytes(yard: Scene) -> None:
    # The CRC of the row follows the file: what a forger of CRCs, which is easy, achieves.
    segment, data = yard.number(3), content(3)[::-1]
    yard.put(segment, data)
    await yard.change(segment, crc32c=crc32c(data))
    assert ("row_altered", 3) in await yard.problems()
    assert ("object_altered", 3) in await yard.problems(with_bytes=True)


async def test_an_object_written_anew_with_the_same_bytes_has_another_generation(yard: Scene) -> None:
    yard.put(yard.number(3), content(3))
    assert await yard.problems() == ([("object_replaced", 3)] if yard.gcs else [])


async def test_a_row_that_says_it_was_never_stored(yard: Scene) -> None:
    await yard.change(yard.number(3), state="offered")
    assert ("row_altered", 3) in await yard.problems()


async def test_a_recorder_that_went_back(yard: Scene) -> None:
    newest = yard.segments.pop()
    await yard.told(now=START + timedelta(days=1))
    yard.segments.append(newest)
    assert ("head_differs", 4) in await yard.problems()


async def test_the_first_of_a_period_is_checked_by_the_link_before_it_whenever_that_was_filmed(yard: Scene) -> None:
    await yard.sealed()
    # A file that was adopted: sealed after it, filmed before it.
    await yard.sealed(start=yard.number(6).started_at - timedelta(seconds=30))
    await yard.told()
    await yard.change(yard.number(6), packets=1499)
    (finding,) = await yard.findings(yard.number(6).started_at)
    assert (finding.kind.value, finding.sequence) == ("row_altered", 6)


async def test_thousands_of_segments_are_read_a_page_at_a_time(yard: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PAGE", 2)
    await yard.sealed(6)
    await yard.told()
    assert await yard.findings() == []
    await yard.erase(yard.number(7))
    assert await yard.problems() == [("segment_removed", 7)]
