"""Numbers that are not there, and where a chain ends: what is known of them, and what was tampered with around them."""

from datetime import timedelta

import pytest

from camfleet_contract.gaps import GapCause
from control_plane.models import Segment, SegmentState
from tests.control_plane.custody.chained import MINUTE, START, Scene, describe


async def test_a_segment_put_behind_the_end_that_its_recorder_told(yard: Scene) -> None:
    await yard.told(waiting_from=5, now=START + timedelta(hours=1))
    await yard.told(now=START + timedelta(hours=2))
    await yard.sealed()
    assert await yard.problems() == [("segment_inserted", 6)]


async def test_a_segment_that_its_recorder_never_confirmed_is_told_once_it_had_time_to(yard: Scene) -> None:
    await yard.sealed()
    stored_at = yard.number(6).stored_at
    assert stored_at is not None
    assert await yard.findings(now=stored_at + MINUTE) == []
    (note,) = await yard.findings(now=stored_at + timedelta(hours=1))
    assert (note.kind.value, note.sequence, note.is_problem) == ("unconfirmed", 6, False)
    await yard.told(now=stored_at + timedelta(hours=2))
    assert await yard.findings(now=stored_at + timedelta(hours=3)) == []


async def test_what_waits_at_the_recorder_is_not_missing(yard: Scene) -> None:
    await yard.sealed(2, state=SegmentState.OFFERED)
    yard._sealed()
    await yard.told(waiting_from=6)
    assert [(finding.kind.value, finding.sequence) for finding in await yard.findings()] == [("waiting", 8)]


async def test_what_the_recorder_gave_up_is_told_and_no_more_than_that(yard: Scene) -> None:
    given_up = yard._sealed()
    await yard.sealed(2, boxed=True)
    await yard.told(given_up=1)
    assert await yard.problems() == [("segment_removed", 6)], "nothing was told of that time"
    await yard.gap(given_up.started_at, GapCause.RETENTION)
    (note,) = await yard.findings()
    assert (note.kind.value, note.sequence) == ("given_up", 6)
    assert "disk was nearly full" in note.text
    await yard.erase(yard.number(3))
    assert await yard.problems() == [("segment_removed", 3)]


async def given_up_before_the_last(yard: Scene, *, boxed: bool = True) -> Segment:
    """#6 is given up, #7 the last; its row."""
    gap = yard._sealed()
    await yard.gap(gap.started_at, GapCause.RETENTION)
    await yard.sealed(boxed=boxed)
    await yard.told(given_up=1)
    return yard.number(7)


@pytest.mark.parametrize(
    "columns", [{"packets": 1499}, {"clock_error_seconds": 0.0}, {"ended_at": START + timedelta(minutes=9)}], ids=str
)
async def test_an_edited_row_after_what_the_recorder_gave_up(yard: Scene, columns: dict[str, object]) -> None:
    row = await given_up_before_the_last(yard)
    assert await yard.problems() == []
    await yard.change(row, **columns)
    assert await yard.problems() == [("row_altered", 7)]


async def test_an_exchanged_segment_after_what_the_recorder_gave_up(yard: Scene) -> None:
    """With a row and a box that fit: only the link that the recorder told is out of reach."""
    row = await given_up_before_the_last(yard)
    row.packets = 7
    data = b"staged" + yard.box(row)
    describe(row, data)
    yard.put(row, data)
    generation = yard.gcs.objects[row.object_name]["generation"] if yard.gcs else 0
    await yard.change(
        row,
        packets=7,
        size_bytes=len(data),
        crc32c=row.crc32c,
        sha256=row.sha256,
        generation=int(generation),
    )
    assert ("row_altered", 7) in await yard.problems()


async def test_what_can_not_be_checked_after_a_hole_is_told(yard: Scene) -> None:
    await given_up_before_the_last(yard, boxed=False)
    notes = [(finding.kind.value, finding.sequence) for finding in await yard.findings()]
    assert notes == [("given_up", 6), ("not_chained", 7)]


async def lost_but_for_the_store(yard: Scene) -> None:
    """Retention had #1 to #5, #8 was given up, and all that the database knew of that is gone."""
    await yard.sealed(2, boxed=True)
    yard._sealed()
    await yard.sealed(2, boxed=True)
    for segment in yard.segments[:5]:
        yard.remove(segment)
    await yard.rebuilt()


async def told_of(yard: Scene) -> list[tuple[str, int | None]]:
    return [(finding.kind.value, finding.sequence) for finding in await yard.findings()]


async def test_what_a_rebuild_could_not_know_is_no_tampering(yard: Scene) -> None:
    await lost_but_for_the_store(yard)
    notes = [("not_rebuilt", 1), ("not_rebuilt", 8)]
    assert await told_of(yard) == [*notes, ("unconfirmed", 10)], "its recorder has not called since"
    await yard.told(given_up=1)
    assert await told_of(yard) == notes
    assert "#1 to #5" in (await yard.findings())[0].text


async def test_what_is_removed_after_a_rebuild_shows(yard: Scene) -> None:
    await lost_but_for_the_store(yard)
    await yard.erase(yard.number(10))
    assert ("segment_removed", 10) in await yard.problems(), "also before its recorder calls again"
    await yard.told(given_up=1)
    await yard.erase(yard.number(7))
    assert await yard.problems() == [("segment_removed", 7), ("segment_removed", 10)]


async def test_what_the_database_knew_before_a_rebuild_is_missed_as_ever(yard: Scene) -> None:
    await yard.sealed(2, boxed=True)
    await yard.told()
    await yard.rebuilt("DELETE FROM segments WHERE sequence > 5")
    assert await told_of(yard) == []
    await yard.erase(yard.number(3))
    assert await yard.problems() == [("segment_removed", 3)]
