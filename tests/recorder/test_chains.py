"""Chains in the spool: every sealed segment is a link, counted without holes, whatever becomes of its file."""

import hashlib
from datetime import timedelta
from pathlib import Path

from uuid_utils.compat import uuid7

from camfleet_contract.chains import Link
from camfleet_contract.gaps import GapCause
from recorder.offers import offered
from recorder.spool import MissedFootage, Segment, Spool
from recorder.stocktaking import take_stock
from tests.recorder.footage import make_clip
from tests.recorder.spooled import CAMERA, NOON, begun, many_rows, sealed, steps


def link_after(spool: Spool, segment: Segment, previous: str | None) -> str:
    """As the wire's facts give it: what the control plane can reckon from an offer."""
    offer = offered(segment, spool.recorder_id)
    assert offer.chain_id is not None
    assert offer.sequence is not None
    return Link(
        chain_id=offer.chain_id,
        sequence=offer.sequence,
        segment_id=offer.id,
        camera_id=offer.camera_id,
        recording_id=offer.recording_id,
        start=offer.start,
        end=offer.end,
        size_bytes=offer.size_bytes,
        crc32c=offer.crc32c,
        sha256=offer.sha256,
        codec=offer.codec,
        packets=offer.packets,
        clock_error_seconds=offer.clock_error_seconds,
    ).sha256_after(previous)


def gap_of(segment: Segment) -> MissedFootage:
    start = segment.opened_at
    end = start + timedelta(seconds=60)
    return MissedFootage(uuid7(), segment.camera_id, None, segment.recording_id, start, end, GapCause.RETENTION, "")


def test_each_link_is_reckoned_from_what_is_offered_and_the_link_before(spool: Spool) -> None:
    recordings = [begun(spool), begun(spool)]
    previous = None
    for number in range(4):
        segment = sealed(spool, recordings[number // 2], NOON + timedelta(minutes=number))
        assert segment.sequence == number + 1, "a chain goes on across recordings"
        assert segment.link_sha256 == link_after(spool, segment, previous)
        previous = segment.link_sha256


def test_cameras_have_chains_of_their_own(spool: Spool) -> None:
    one, other = begun(spool), begun(spool, uuid7())
    assert [sealed(spool, recording).sequence for recording in (one, other, one)] == [1, 1, 2]
    heads = {head.camera_id: head.sequence for head in spool.chains.heads()}
    assert heads == {one.camera_id: 2, other.camera_id: 1}


def test_footage_of_an_earlier_time_is_the_next_link_all_the_same(spool: Spool) -> None:
    recording = begun(spool)
    sealed(spool, recording)
    after_the_step = sealed(spool, recording, NOON - timedelta(hours=1))
    assert after_the_step.sequence == 2
    assert spool.segments.last_footage()[CAMERA] == NOON + timedelta(seconds=60)
    (head,) = spool.chains.heads()
    assert (head.sequence, head.segment_id) == (2, after_the_step.id)


def test_a_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    first = sealed(spool, begun(spool))
    spool.close()
    again = Spool.open(tmp_path)
    second = sealed(again, begun(again), NOON + timedelta(minutes=1))
    assert (second.sequence, second.link_sha256) == (2, link_after(again, second, first.link_sha256))
    again.close()


def test_an_adopted_file_is_the_chains_newest_link(spool: Spool, tmp_path: Path) -> None:
    sealed(spool, begun(spool))
    stray = spool.base / f"recordings/{CAMERA}/2026-03-01/{uuid7()}.mp4"
    stray.parent.mkdir(parents=True, exist_ok=True)
    make_clip(tmp_path / "a.mov", seconds=1, audio=None).rename(stray)
    assert take_stock(spool).adopted == 1
    (head,) = spool.chains.heads()
    adopted = spool.segments.get(head.segment_id)
    assert adopted is not None
    content = spool.segments.file(adopted).read_bytes()
    assert (head.sequence, head.sha256) == (2, hashlib.sha256(content).hexdigest())


def test_the_head_tells_what_waits_and_what_was_given_up(spool: Spool) -> None:
    recording = begun(spool)
    segments = [sealed(spool, recording, NOON + timedelta(minutes=number)) for number in range(5)]

    def told() -> tuple[int, int, int]:
        (head,) = spool.chains.heads()
        return head.sequence, head.waiting_from, head.given_up

    assert told() == (5, 1, 0)
    spool.segments.mark_uploaded(segments[0].id, "name", 1)
    assert told() == (5, 1, 0), "uploaded is not proven"
    spool.segments.mark_stored([segments[0].id])
    assert told() == (5, 2, 0)
    spool.removals.delete_stored(NOON + timedelta(days=1))
    assert told() == (5, 2, 0), "what is proven is not given up when its file goes"
    spool.removals.give_up(segments[1], gap_of(segments[1]))
    assert told() == (5, 3, 1)
    spool.segments.file(segments[2]).unlink()
    assert spool.removals.close_missing(segments[2], gap_of(segments[2]))
    assert told() == (5, 4, 2)
    spool.segments.mark_stored([segment.id for segment in segments[3:]])
    assert told() == (5, 6, 2)


def test_a_segment_that_never_held_footage_leaves_no_hole(spool: Spool) -> None:
    recording = begun(spool)
    sealed(spool, recording)
    empty = spool.segments.begin(uuid7(), recording.id, CAMERA, NOON)
    spool.segments.abandon(empty.id)
    unreadable = spool.segments.begin(uuid7(), recording.id, CAMERA, NOON)
    spool.segments.mark_lost(unreadable.id, None)
    assert sealed(spool, recording).sequence == 2
    assert spool.chains.heads()[0].given_up == 0


def test_a_long_backlog_makes_the_heads_no_dearer(spool: Spool) -> None:
    recording = begun(spool)
    sealed(spool, recording)
    few = steps(spool, spool.chains.heads)
    many_rows(spool, recording, 5000)
    for number in range(50):
        sealed(spool, recording, NOON + timedelta(minutes=number), 10)
    assert steps(spool, spool.chains.heads) <= few + 1


def test_what_was_sealed_by_an_older_version_is_in_no_chain(spool: Spool) -> None:
    recording = begun(spool)
    many_rows(spool, recording, 1)
    (old,) = spool.inventory.folder(next(iter(spool.inventory.folders()))).values()
    segment = spool.segments.get(old[0])
    assert segment is not None
    assert (segment.sequence, spool.chains.heads()) == (None, [])
