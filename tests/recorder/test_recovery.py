"""After a crash: what was written is sealed, what is missing is told."""

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from camfleet_contract.messages import Interval
from camfleet_contract.recordings import RecordingStatus
from recorder.descriptions import box_of
from recorder.last_run import LastRun
from recorder.outages import outages, why_down
from recorder.recovery import Recovered, recover
from recorder.segments import SegmentWriter
from recorder.spool import MissedFootage, Recording, SegmentState, Spool
from recorder.stocktaking import Found, take_stock
from recorder.tracks import Tracks
from tests.recorder.footage import make_clip, video_hashes
from tests.recorder.rig import camera, config, once

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Writes a clip into one segment at the pace of a camera, saying after each packet how many it has been given.
WRITER = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
import av
from uuid_utils.compat import uuid7
from recorder.segments import SegmentWriter
from recorder.tracks import Tracks
from recorder.spool import MissedFootage, Recording, Spool
clip, base = sys.argv[1:]
spool = Spool.open(Path(base))
now = datetime.now(UTC)
recording = Recording(uuid7(), uuid7(), None, "Yard", now, until=now.replace(year=2100))
spool.recordings.begin(recording)
with av.open(clip) as source:
    video, audio = source.streams.video[0], source.streams.audio[0] if source.streams.audio else None
    writer = SegmentWriter(spool, recording.id, recording.camera_id, now, 0.0, Tracks(video, audio))
    began = time.monotonic()
    for packet in source.demux():
        if not packet.size:
            continue
        second = float(packet.dts * packet.time_base)
        time.sleep(max(0.0, began + second - time.monotonic()))
        if packet.stream_index == video.index:
            writer.write_video(packet, second)
            sys.stdout.write(f"{second}\\n")
            sys.stdout.flush()
        else:
            writer.write_audio(packet)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "H.264 and AAC": make_clip(folder / "a.mov", seconds=6),
        "H.265 and G.711, long GOP": make_clip(
            folder / "b.mov", seconds=6, codec="libx265", audio="pcm_alaw", keyframe_every=100
        ),
        "video only": make_clip(folder / "c.mov", seconds=6, audio=None),
    }


@pytest.mark.parametrize("kind", ["H.264 and AAC", "H.265 and G.711, long GOP", "video only"])
def test_at_most_the_last_second_is_missing_after_a_kill_at_any_moment(
    tmp_path: Path, clips: dict[str, Path], kind: str
) -> None:
    clip = clips[kind]
    source = video_hashes(clip)
    chance = random.Random(kind)
    for attempt in range(4):
        base = tmp_path / str(attempt)
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(clip), str(base)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        alive_until = chance.uniform(0.2, 4.5)
        written = 0.0
        for line in writer.stdout:
            written = float(line)
            if written >= alive_until:
                break
        time.sleep(chance.uniform(0, 0.04))  # the moment within a frame is part of the chance
        writer.send_signal(signal.SIGKILL)
        written = max([written, *(float(line) for line in writer.stdout)])
        writer.wait()
        writer.stdout.close()

        spool = Spool.open(base)
        recover(spool, GapCause.RECORDER_DOWN)
        segments = spool.segments.in_state(SegmentState.SEALED)
        assert len(segments) == (1 if written > 1 else len(segments))
        covered = 0.0
        for segment in segments:
            assert segment.sealed is not None
            covered = (segment.sealed.end - segment.sealed.start).total_seconds()
            found = video_hashes(spool.segments.file(segment))
            assert found == source[: len(found)], "the packets are the source's"
            assert len(found) == segment.sealed.packets
            assert covered == pytest.approx(len(found) / 25, abs=0.01)
        assert written + 0.04 - covered <= 1.0 + 0.04, f"killed at {written}, {covered} s are there"
        assert [p.name for p in (base / "recordings").rglob("*.mp4*")] == [f"{s.id}.mp4" for s in segments]
        spool.close()


def written_segment(spool: Spool, clip: Path, seconds: float = 3) -> SegmentWriter:
    recording = Recording(uuid7(), uuid7(), None, "Yard", NOON, until=NOON + timedelta(hours=1))
    spool.recordings.begin(recording)
    with av.open(str(clip)) as source:
        video, audio = source.streams.video[0], source.streams.audio[0]
        writer = SegmentWriter(spool, recording.id, recording.camera_id, NOON, 0.0, Tracks(video, audio))
        for packet in source.demux(video, audio):
            second = float((packet.dts or 0) * packet.time_base)
            if packet.size and second < seconds:
                if packet.stream_index == video.index:
                    writer.write_video(packet, second)
                else:
                    writer.write_audio(packet)
    return writer


def test_a_file_that_was_complete_when_the_power_went_is_sealed_as_it_is_and_says_what_it_is(
    spool: Spool, clips: dict[str, Path]
) -> None:
    writer = written_segment(spool, clips["H.264 and AAC"])
    file = spool.segments.file(writer.segment)
    writer._output.close()
    writer.path.rename(file)
    content = file.read_bytes()
    assert recover(spool, GapCause.POWER_LOST) == Recovered(sealed=1)
    description = box_of(file)
    assert description is not None
    assert file.read_bytes() == content + description.box()
    segment = spool.segments.get(writer.segment.id)
    assert segment is not None
    assert segment.sealed is not None
    assert segment.sealed.packets == 75
    assert segment.sealed.end - segment.sealed.start == timedelta(seconds=3)


def test_recovering_twice_changes_nothing(spool: Spool, clips: dict[str, Path]) -> None:
    written_segment(spool, clips["H.264 and AAC"])
    assert recover(spool, GapCause.POWER_LOST) == Recovered(sealed=1)
    before = spool.segments.in_state(SegmentState.SEALED)
    assert recover(spool, GapCause.POWER_LOST) == Recovered()
    assert spool.segments.in_state(SegmentState.SEALED) == before


def test_a_row_whose_file_is_gone_is_lost_and_a_gap(spool: Spool, clips: dict[str, Path]) -> None:
    writer = written_segment(spool, clips["H.264 and AAC"])
    writer.seal(NOON, NOON + timedelta(seconds=3))
    spool.segments.file(writer.segment).unlink()
    assert recover(spool, GapCause.RECORDER_DOWN) == Recovered()
    assert take_stock(spool).lost == 1
    assert take_stock(spool).lost == 0
    gap = spool.gaps.to_report(NOON)[0]
    assert (gap.start, gap.end, gap.cause) == (NOON, NOON + timedelta(seconds=3), GapCause.DISK_MISSING)


def test_a_file_without_a_row_is_adopted_under_its_own_identity(spool: Spool, clips: dict[str, Path]) -> None:
    writer = written_segment(spool, clips["H.264 and AAC"])
    sealed = writer.seal(NOON, NOON + timedelta(seconds=3))
    assert sealed is not None
    with spool._database.transaction() as db:  # a spool that was restored from yesterday's backup
        db.execute("DELETE FROM segments")
        db.execute("DELETE FROM recordings")
    assert recover(spool, GapCause.RECORDER_DOWN) == Recovered()
    assert take_stock(spool).adopted == 1
    assert take_stock(spool).adopted == 0
    found = spool.segments.get(sealed.id)
    assert found is not None
    assert found.sealed is not None
    assert (found.camera_id, found.recording_id, found.sealed.start) == (sealed.camera_id, sealed.recording_id, NOON)
    assert found.sealed.packets == 75
    recording = spool.recordings.get(sealed.recording_id)
    assert recording is not None
    assert recording.ended_at is not None


def test_what_nobody_can_read_is_kept_and_reported(spool: Spool, clips: dict[str, Path]) -> None:
    writer = written_segment(spool, clips["H.264 and AAC"])
    content = bytearray(writer.path.read_bytes())
    moov = content.index(b"moov")
    content[moov : moov + 2000] = b"\xff" * 2000
    writer.path.write_bytes(content)
    assert recover(spool, GapCause.POWER_LOST) == Recovered(lost=1)
    assert [path.suffix for path in writer.path.parent.iterdir()] == [".unreadable"]
    assert spool.gaps.to_report(NOON)[0].cause is GapCause.POWER_LOST


def test_what_a_power_cut_in_a_segments_first_moments_left_without_a_row_goes(
    spool: Spool, clips: dict[str, Path]
) -> None:
    writer = written_segment(spool, clips["H.264 and AAC"])
    fragments = writer.path.read_bytes()
    head = fragments[: fragments.index(b"moof") - 4]
    for name in (f"{uuid7()}.mp4.part", f"{uuid7()}.mp4.part", "cam-1.mp4.part"):
        (writer.path.parent / name).write_bytes(b"" if name.startswith("cam") else head)
    (writer.path.parent / f"{uuid7()}.mp4.part").touch()
    (writer.path.parent / f"{uuid7()}.mp4.part").write_bytes(b"\xff" * 2000 + fragments[2000:])
    recover(spool, GapCause.POWER_LOST)
    take_stock(spool)
    left = sorted(path.name for path in writer.path.parent.iterdir())
    assert len(left) == 3
    assert left[-1] == "cam-1.mp4.part", "not ours"
    assert f"{writer.segment.id}.mp4" in left
    unreadable = next(name for name in left[:-1] if name != f"{writer.segment.id}.mp4")
    assert b"moof" in (writer.path.parent / unreadable).read_bytes(), "somebody may still get something out of it"


def test_foreign_files_are_left_alone(spool: Spool) -> None:
    folder = spool.base / "recordings" / str(uuid7()) / "2026-03-01"
    folder.mkdir(parents=True)
    for name in ("notes.txt", "x.part", "holiday.mp4"):
        (folder / name).write_bytes(b"not a video")
    assert recover(spool, GapCause.RECORDER_DOWN) == Recovered()
    assert take_stock(spool) == Found(folders=3)
    assert sorted(path.name for path in folder.iterdir()) == ["holiday.mp4", "notes.txt", "x.part"]


def test_the_interrupted_recording_ends_with_its_footage(spool: Spool, clips: dict[str, Path]) -> None:
    writer = written_segment(spool, clips["H.264 and AAC"], seconds=3)
    recover(spool, GapCause.POWER_LOST)
    recording = spool.recordings.get(writer.segment.recording_id)
    assert recording is not None
    assert recording.status is RecordingStatus.STOPPED
    assert recording.error_code == "power_lost"
    assert recording.ended_at is not None
    assert NOON + timedelta(seconds=2) <= recording.ended_at <= NOON + timedelta(seconds=3)


def test_due_time_without_the_recorder_is_a_gap_from_the_last_footage_on() -> None:
    yard = camera("rtsp://x/")
    schedule = once(yard, NOON, NOON + timedelta(hours=1))
    down = Interval(start=NOON + timedelta(minutes=10), end=NOON + timedelta(minutes=30))
    footage = {yard.id: NOON + timedelta(minutes=10, seconds=50)}
    (gap,) = outages(config(schedule), [], footage, down, GapCause.POWER_LOST)
    assert (gap.start, gap.end) == (footage[yard.id], down.end)
    assert gap.schedule_id == schedule.id
    assert gap.cause is GapCause.POWER_LOST


def test_a_gap_that_was_told_is_not_told_again_when_the_footage_after_it_is_lost(spool: Spool) -> None:
    yard = camera("rtsp://x/")
    schedule = once(yard, NOON, NOON + timedelta(hours=1))
    alive, back, start = (NOON + timedelta(seconds=seconds) for seconds in (600, 630, 640))
    spool.mark_alive(alive)
    told = MissedFootage(uuid7(), yard.id, schedule.id, None, alive, back, GapCause.CAMERA_UNREACHABLE, "It was off.")
    spool.gaps.add([told])
    spool.gaps.mark_reported([told])
    LastRun(spool).put_in_order(config(schedule), start)
    (gap,) = spool.gaps.to_report(start)
    assert (gap.start, gap.end, gap.cause) == (back, start, GapCause.RECORDER_DOWN)


def test_time_that_was_not_due_is_no_gap() -> None:
    schedule = once(camera("rtsp://x/"), NOON, NOON + timedelta(hours=1))
    down = Interval(start=NOON - timedelta(hours=3), end=NOON)
    assert outages(config(schedule), [], {}, down, GapCause.RECORDER_DOWN) == []


def test_a_manual_recording_that_was_cut_off_leaves_a_gap() -> None:
    run = Recording(uuid7(), uuid7(), None, "Manual", NOON, until=NOON + timedelta(minutes=5))
    down = Interval(start=NOON + timedelta(minutes=1), end=NOON + timedelta(hours=1))
    (gap,) = outages(config(), [run], {}, down, GapCause.RECORDER_DOWN)
    assert (gap.camera_id, gap.start, gap.end) == (run.camera_id, down.start, NOON + timedelta(minutes=5))


def test_only_another_boot_of_the_machine_after_an_unfinished_run_is_a_power_cut() -> None:
    assert why_down("a", "b") is GapCause.POWER_LOST
    assert why_down("a", "a") is GapCause.RECORDER_DOWN
    assert why_down(None, "b") is GapCause.RECORDER_DOWN


def test_one_segment_that_cannot_be_recovered_keeps_no_other_waiting(spool: Spool, clips: dict[str, Path]) -> None:
    broken, good = (written_segment(spool, clips["H.264 and AAC"]) for _ in range(2))
    broken.discard()
    file = spool.segments.file(broken.segment)
    file.with_name(f"{file.name}.remuxed").mkdir()  # where its copy would be written
    assert recover(spool, GapCause.POWER_LOST) == Recovered(sealed=1, lost=1)
    [segment] = spool.segments.in_state(SegmentState.SEALED)
    assert segment.id == good.segment.id
    assert list(file.parent.glob("*.unreadable")), "somebody may still get something out of it"
    [gap] = spool.gaps.to_report(NOON + timedelta(days=1))
    assert (gap.camera_id, gap.start, gap.cause) == (broken.segment.camera_id, NOON, GapCause.POWER_LOST)
    assert recover(spool, GapCause.POWER_LOST) == Recovered()
