"""The spool: its rows, its order of steps, and its refusal to be used by two."""

import hashlib
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from recorder.errors import DiskMissing, SpoolBusy, SpoolTooNew
from recorder.offers import offered
from recorder.spool import MissedFootage, Recording, Sealed, Segment, SegmentState, Spool

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
CAMERA = uuid7()


def begun(spool: Spool, camera_id: UUID = CAMERA, at: datetime = NOON) -> Recording:
    recording = Recording(uuid7(), camera_id, None, "Yard", at, until=at + timedelta(hours=1))
    spool.recordings.begin(recording)
    return recording


def sealed(spool: Spool, recording: Recording, start: datetime = NOON, content: bytes = b"footage") -> Segment:
    segment = spool.segments.begin(uuid7(), recording.id, recording.camera_id, start)
    file = spool.segments.file(segment)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    facts = Sealed(
        start=start,
        end=start + timedelta(seconds=60),
        size_bytes=len(content),
        crc32c="yZRlqg==",
        sha256=hashlib.sha256(content + str(segment.id).encode()).hexdigest(),
        codec="h264",
        packets=1500,
    )
    spool.segments.seal(segment.id, facts)
    found = spool.segments.get(segment.id)
    assert found is not None
    assert found.sealed == facts
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool.open(tmp_path / "base")
    yield spool
    spool.close()


def test_rows_survive_closing_and_opening(tmp_path: Path) -> None:
    first = Spool.open(tmp_path)
    recording = begun(first)
    segment = sealed(first, recording)
    first.close()
    second = Spool.open(tmp_path)
    assert second.recordings.open()[0].started_at == NOON
    assert second.segments.get(segment.id) == segment
    assert second.recorder_id == first.recorder_id
    second.close()


def test_a_second_recorder_on_one_folder_is_refused_and_told_the_first_ones_pid(spool: Spool) -> None:
    code = "import sys; from pathlib import Path; from recorder.spool import Spool; Spool.open(Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(spool.base)], capture_output=True, text=True, check=False, timeout=60
    )
    assert other.returncode == 1
    assert f"(pid {os.getpid()})" in other.stderr
    assert "SpoolBusy" in other.stderr


def test_the_lock_is_free_again_after_closing(tmp_path: Path) -> None:
    first = Spool.open(tmp_path)
    with pytest.raises(SpoolBusy):
        Spool.open(tmp_path)
    first.close()
    Spool.open(tmp_path).close()


def test_a_spool_of_a_newer_recorder_is_left_alone(tmp_path: Path) -> None:
    Spool.open(tmp_path).close()
    with sqlite3.connect(tmp_path / "spool.sqlite3") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SpoolTooNew, match="99"):
        Spool.open(tmp_path)


def test_a_missing_marker_where_rows_exist_means_that_the_disk_is_not_mounted(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    sealed(spool, begun(spool))
    spool.check_disk()
    spool.close()
    (tmp_path / "recordings").rename(tmp_path / "unmounted")

    spool = Spool.open(tmp_path)
    with pytest.raises(DiskMissing, match="not mounted"):
        spool.check_disk()
    assert not (tmp_path / "recordings").exists(), "nothing is written where the disk should be"

    (tmp_path / "unmounted").rename(tmp_path / "recordings")
    spool.check_disk()
    spool.close()


def test_another_recorders_disk_is_refused(tmp_path: Path) -> None:
    other = Spool.open(tmp_path / "other")
    sealed(other, begun(other))
    other.close()
    (tmp_path / "mine").mkdir()
    (tmp_path / "other/recordings").rename(tmp_path / "mine/recordings")
    mine = Spool.open(tmp_path / "mine")
    with pytest.raises(DiskMissing, match="another recorder"):
        mine.check_disk()
    mine.accept_disk()
    mine.check_disk()
    mine.close()


def test_recordings_are_to_be_registered_and_reported_until_acknowledged(spool: Spool) -> None:
    recording = begun(spool)
    assert [r.id for r in spool.recordings.to_register(NOON)] == [recording.id]
    assert spool.recordings.to_report(NOON) == []

    spool.recordings.postpone(recording.id, NOON + timedelta(seconds=5))
    assert spool.recordings.to_register(NOON) == []
    assert spool.recordings.to_register(NOON + timedelta(seconds=5))

    spool.recordings.mark_registered(recording.id)
    assert spool.recordings.to_register(NOON) == []
    assert [r.status for r in spool.recordings.to_report(NOON)] == [RecordingStatus.RECORDING]
    spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, NOON + timedelta(hours=1))
    # The answer to the earlier report arrives late: the newer status is still to be reported.
    spool.recordings.mark_reported(recording.id, RecordingStatus.RECORDING)
    assert [r.status for r in spool.recordings.to_report(NOON)] == [RecordingStatus.COMPLETED]
    spool.recordings.mark_reported(recording.id, RecordingStatus.COMPLETED)
    assert spool.recordings.to_report(NOON) == []


def test_the_first_end_of_a_recording_stands(spool: Spool) -> None:
    recording = begun(spool)
    spool.recordings.finish(recording.id, RecordingStatus.STOPPED, NOON, error_code="power_lost")
    spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, NOON + timedelta(hours=1))
    found = spool.recordings.get(recording.id)
    assert found is not None
    assert (found.status, found.ended_at, found.error_code) == (RecordingStatus.STOPPED, NOON, "power_lost")
    assert spool.recordings.open() == []


def test_sealing_continues_each_cameras_hash_chain_also_after_its_rows_are_gone(spool: Spool) -> None:
    recording, other = begun(spool), begun(spool, uuid7())
    first = sealed(spool, recording)
    assert sealed(spool, other).previous_sha256 is None
    assert first.previous_sha256 is None
    assert first.sealed is not None
    second = sealed(spool, recording, NOON + timedelta(seconds=60))
    assert second.previous_sha256 == first.sealed.sha256
    spool.segments.mark_stored([first.id, second.id])
    assert len(spool.removals.delete_stored(NOON + timedelta(days=1))) == 2
    third = sealed(spool, recording, NOON + timedelta(seconds=120))
    assert second.sealed is not None
    assert third.previous_sha256 == second.sealed.sha256
    assert spool.segments.last_footage()[CAMERA] == NOON + timedelta(seconds=180)


def test_a_segment_is_sealed_once(spool: Spool) -> None:
    segment = sealed(spool, begun(spool))
    assert segment.sealed is not None
    with pytest.raises(LookupError):
        spool.segments.seal(segment.id, segment.sealed)


def test_sealing_adds_to_the_recordings_figures(spool: Spool) -> None:
    recording = begun(spool)
    sealed(spool, recording)
    sealed(spool, recording, NOON + timedelta(seconds=60))
    found = spool.recordings.get(recording.id)
    assert found is not None
    assert (found.frames, found.size_bytes) == (3000, 14)


def test_segments_wait_newest_or_oldest_first_and_not_before_their_retry(spool: Spool) -> None:
    recording = begun(spool)
    a, b, c = (sealed(spool, recording, NOON + timedelta(minutes=n)).id for n in range(3))
    spool.segments.mark_uploaded(b, "cameras/b", 7)
    spool.segments.refuse(c, "not now", NOON + timedelta(minutes=10))

    assert [s.id for s in spool.segments.to_offer(NOON)] == [b, a]
    assert [s.id for s in spool.segments.to_offer(NOON, newest_first=False)] == [a, b]
    assert [s.id for s in spool.segments.to_offer(NOON, limit=1)] == [b]
    assert [s.id for s in spool.segments.to_upload(NOON)] == [a]
    assert [s.id for s in spool.segments.to_upload(NOON + timedelta(minutes=10))] == [c, a]
    backlog = spool.segments.backlog()
    assert (backlog.segments, backlog.size_bytes, backlog.oldest) == (3, 21, NOON)


def test_a_wrong_object_makes_the_segment_wait_for_a_new_upload(spool: Spool) -> None:
    segment = sealed(spool, begun(spool))
    spool.segments.set_upload_session(segment.id, "cameras/x", b"secret")
    spool.segments.mark_uploaded(segment.id, "cameras/x", 7)
    spool.segments.mark_sealed_again(segment.id, "checksum_mismatch", NOON)
    found = spool.segments.to_upload(NOON)[0]
    assert (found.object_name, found.generation, found.upload_session) == ("cameras/x", None, None)
    assert found.refusal == "checksum_mismatch"
    assert offered(found, spool.recorder_id).session_gone, "else the session that has ended would be handed out again"


def test_what_was_proven_meanwhile_is_not_given_up_and_no_gap(spool: Spool) -> None:
    segment = sealed(spool, begun(spool))
    spool.segments.mark_stored([segment.id])
    gap = MissedFootage(uuid7(), CAMERA, None, None, NOON, NOON + timedelta(minutes=1), GapCause.RETENTION, "")
    assert not spool.removals.give_up(segment, gap)
    assert spool.segments.file(segment).exists()
    assert not spool.gaps.to_report(NOON)


def test_only_stored_segments_are_deleted_the_file_before_the_row(spool: Spool) -> None:
    recording = begun(spool)
    stored, young, uploaded = (sealed(spool, recording, NOON + timedelta(minutes=n)) for n in (0, 50, 2))
    spool.segments.mark_uploaded(uploaded.id, "cameras/x", 7)
    spool.segments.mark_stored([stored.id, young.id])
    gone = spool.removals.delete_stored(NOON + timedelta(minutes=30))
    assert [s.id for s in gone] == [stored.id]
    assert not spool.segments.file(stored).exists()
    assert spool.segments.file(young).exists()
    assert spool.segments.file(uploaded).exists()
    assert spool.segments.get(stored.id) is None


def test_a_stored_file_that_is_already_gone_is_no_error(spool: Spool) -> None:
    segment = sealed(spool, begun(spool))
    spool.segments.mark_stored([segment.id])
    spool.segments.file(segment).unlink()
    assert len(spool.removals.delete_stored(NOON + timedelta(days=1))) == 1


def test_an_open_or_lost_segment_never_becomes_stored(spool: Spool) -> None:
    segment = spool.segments.begin(uuid7(), begun(spool).id, CAMERA, NOON)
    spool.segments.mark_stored([segment.id])
    assert spool.segments.counts()[SegmentState.OPEN] == 1


def test_recordings_are_forgotten_when_they_are_reported_and_nothing_of_them_is_left(spool: Spool) -> None:
    recording = begun(spool)
    segment = sealed(spool, recording)
    spool.recordings.mark_registered(recording.id)
    spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, NOON)
    spool.recordings.mark_reported(recording.id, RecordingStatus.COMPLETED)
    assert spool.recordings.forget_finished() == 0
    spool.segments.mark_stored([segment.id])
    spool.removals.delete_stored(NOON + timedelta(days=1))
    assert spool.recordings.forget_finished() == 1
    assert spool.recordings.get(recording.id) is None


def test_gaps_wait_until_they_are_reported(spool: Spool) -> None:
    gap = MissedFootage(
        uuid7(), CAMERA, None, None, NOON, NOON + timedelta(seconds=9), GapCause.CAMERA_UNREACHABLE, "no route"
    )
    spool.gaps.add([gap])
    assert spool.gaps.to_report(NOON) == [gap]
    spool.gaps.postpone([gap.id], NOON + timedelta(minutes=1))
    assert spool.gaps.to_report(NOON) == []
    spool.gaps.mark_reported([gap])
    assert spool.gaps.to_report(NOON + timedelta(hours=1)) == []


def test_many_threads_seal_at_once_and_the_chain_has_no_fork(spool: Spool) -> None:
    recording = begun(spool)
    threads = [threading.Thread(target=sealed, args=(spool, recording, NOON + timedelta(minutes=n))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    segments = spool.segments.in_state(SegmentState.SEALED)
    assert len({s.previous_sha256 for s in segments}) == 20


def test_ten_thousand_waiting_segments_cost_the_next_batch_nothing(spool: Spool) -> None:
    recording = begun(spool)
    with spool.segments._database.transaction() as db:
        db.executemany(
            "INSERT INTO segments (id, recording_id, camera_id, state, path, opened_at, start_at, end_at, size_bytes,"
            " crc32c, sha256, codec, packets) VALUES (?, ?, ?, 'sealed', ?, 0, ?, ?, 1, '', '', 'h264', 1)",
            [(str(uuid7()), str(recording.id), str(CAMERA), f"x{n}", n, n + 1) for n in range(10_000)],
        )
    plan = spool.segments._database.rows(
        "EXPLAIN QUERY PLAN SELECT * FROM segments WHERE state = ? AND (retry_at IS NULL OR retry_at <= ?)"
        " ORDER BY start_at DESC LIMIT ?",
        ("sealed", 1, 5),
    )
    assert "segments_by_state" in plan[0]["detail"]
    assert len(plan) == 1, "no sorting step"
    assert [s.path.name for s in spool.segments.to_offer(NOON, limit=2)] == ["x9999", "x9998"]
