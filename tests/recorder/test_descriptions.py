"""Each segment's file says what it is, whoever wrote it and whatever happened to it."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import av
import pytest
from av.stream import Stream
from uuid_utils.compat import uuid7

from camfleet_contract.descriptions import MOST_BOX_BYTES, SegmentDescription
from camfleet_contract.gaps import GapCause
from recorder.descriptions import Take, append_box, box_of, description_of
from recorder.muxing import LibavMuxer
from recorder.recovery import Recovered, recover
from recorder.samples import PlainSample, Sample
from recorder.segments import SegmentWriter
from recorder.spool import Place, Recording, Segment, SegmentState, Spool
from recorder.stocktaking import take_stock
from recorder.tracks import Tracks
from tests.recorder.footage import make_clip

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLIENT = uuid7()
OWN, LIBAV = "our own hand", "libav"


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        OWN: make_clip(folder / "a.mov", seconds=2),
        LIBAV: make_clip(folder / "b.mov", seconds=2, audio="pcm_alaw"),
    }


@pytest.fixture
def recording(spool: Spool) -> Recording:
    spool.know_client(CLIENT)
    recording = Recording(uuid7(), uuid7(), uuid7(), "Hof bei Nacht, Süd", NOON, until=NOON + timedelta(hours=1))
    spool.recordings.begin(recording)
    return recording


def written(spool: Spool, recording: Recording, clip: Path, start: datetime = NOON) -> SegmentWriter:
    """By our own hand if its sound allows that."""
    with av.open(str(clip)) as source:
        video, audio = source.streams.video[0], source.streams.audio[0]
        is_plain = audio.codec_context.name == "aac"
        tracks = Tracks(video, audio, is_plain=is_plain)
        writer = SegmentWriter(spool, recording.id, recording.camera_id, start, 0.0, tracks)
        for packet in source.demux(video, audio):
            sample: Sample = _plain(packet) if is_plain else packet
            if packet.size and packet.stream_index == video.index:
                writer.write_video(sample, float((packet.dts or 0) * packet.time_base))
            elif packet.size:
                writer.write_audio(sample)
    return writer


def _plain(packet: "av.Packet[Stream]") -> PlainSample:
    content, times = bytes(packet), (packet.pts or 0, packet.duration or 0)
    sample = PlainSample(
        [content], len(content), packet.stream_index, packet.time_base, *times, is_keyframe=packet.is_keyframe
    )
    sample.dts = packet.dts
    return sample


def told_by(spool: Spool, segment: Segment) -> SegmentDescription:
    """What the file says, having checked that its row says the same."""
    told = box_of(spool.segments.file(segment))
    assert told is not None
    sealed = segment.sealed
    assert sealed is not None
    assert (told.segment_id, told.recording_id, told.camera_id) == (segment.id, segment.recording_id, segment.camera_id)
    assert (told.start, told.end, told.codec, told.packets) == (sealed.start, sealed.end, sealed.codec, sealed.packets)
    assert told.clock_error_seconds == sealed.clock_error_seconds
    assert (told.sequence, told.previous_sha256) == (segment.sequence, segment.previous_sha256)
    assert told.link_sha256(sealed.size_bytes, sealed.crc32c, sealed.sha256) == segment.link_sha256
    assert (told.client_id, told.recorder_id) == (CLIENT, spool.recorder_id)
    return told


def all_sealed(spool: Spool) -> list[Segment]:
    return spool.segments.in_state(SegmentState.SEALED)


@pytest.mark.parametrize("hand", [OWN, LIBAV])
def test_a_sealed_file_says_all_that_its_row_says(
    spool: Spool, recording: Recording, clips: dict[str, Path], hand: str
) -> None:
    for number in range(3):
        start = NOON + timedelta(seconds=2 * number, microseconds=number)
        writer = written(spool, recording, clips[hand], start)
        assert isinstance(writer._output, LibavMuxer) == (hand == LIBAV)
        error = timedelta(milliseconds=12) if number else None
        writer.seal(start + timedelta(microseconds=7), start + timedelta(seconds=2), error)
    told = [told_by(spool, segment) for segment in all_sealed(spool)]
    assert [each.sequence for each in told] == [1, 2, 3]
    assert told[2].recording_name == recording.name
    assert (told[2].schedule_id, told[2].recording_started_at) == (recording.schedule_id, NOON)


@pytest.mark.parametrize("hand", [OWN, LIBAV])
def test_players_skip_what_a_file_says_of_itself(
    spool: Spool, recording: Recording, clips: dict[str, Path], hand: str
) -> None:
    segment = written(spool, recording, clips[hand]).seal(NOON, NOON + timedelta(seconds=2))
    assert segment is not None
    command = ["ffmpeg", "-v", "warning", "-xerror", "-i", str(spool.segments.file(segment)), "-f", "null", "-"]
    assert subprocess.run(command, capture_output=True, timeout=60, text=True, check=True).stderr == ""


def test_a_file_that_was_cut_off_says_it_once_it_is_repaired(
    spool: Spool, recording: Recording, clips: dict[str, Path]
) -> None:
    writer = written(spool, recording, clips[OWN])
    writer.discard()
    with writer.path.open("r+b") as file:
        file.truncate(writer.path.stat().st_size * 2 // 3)
    assert recover(spool, GapCause.POWER_LOST) == Recovered(sealed=1)
    (segment,) = all_sealed(spool)
    assert told_by(spool, segment).clock_error_seconds is None


@pytest.mark.parametrize("hand", [OWN, LIBAV])
def test_a_file_whose_last_words_were_cut_off_loses_nothing(
    spool: Spool, recording: Recording, clips: dict[str, Path], hand: str
) -> None:
    packets = set()
    take = Take(NOON, NOON + timedelta(seconds=2), "h264", 50, 0.5)
    for step in range(5):
        writer = written(spool, recording, clips[hand], NOON + timedelta(seconds=2 * step))
        writer._output.close()
        whole = writer.path.stat().st_size
        append_box(writer.path, description_of(spool, writer.segment, Place(step + 1, None, None), take))
        there = writer.path.stat().st_size
        with writer.path.open("r+b") as file:
            file.truncate(whole + (there - whole) * step // 5)
        assert recover(spool, GapCause.POWER_LOST) == Recovered(sealed=1)
        segment = all_sealed(spool)[-1]
        packets.add(told_by(spool, segment).packets)
    assert packets == {50}


def test_a_file_that_was_complete_keeps_what_it_said(
    spool: Spool, recording: Recording, clips: dict[str, Path]
) -> None:
    writer = written(spool, recording, clips[OWN])
    writer._output.close()
    start = NOON + timedelta(milliseconds=40)
    take = Take(start, NOON + timedelta(seconds=2), "h264", 50, -0.25)
    append_box(writer.path, description_of(spool, writer.segment, Place(1, None, None), take))
    file = spool.segments.file(writer.segment)
    writer.path.rename(file)
    content = file.read_bytes()
    assert recover(spool, GapCause.POWER_LOST) == Recovered(sealed=1)
    assert file.read_bytes() == content
    told = told_by(spool, all_sealed(spool)[0])
    assert (told.start, told.clock_error_seconds) == (start, -0.25)


def test_a_file_that_named_another_before_it_says_anew_what_it_is(
    spool: Spool, recording: Recording, clips: dict[str, Path]
) -> None:
    writer = written(spool, recording, clips[OWN])
    writer._output.close()
    take = Take(NOON, NOON + timedelta(seconds=2), "h264", 50)
    append_box(writer.path, description_of(spool, writer.segment, Place(7, "ab" * 32, "cd" * 32), take))
    writer.path.rename(spool.segments.file(writer.segment))
    assert recover(spool, GapCause.POWER_LOST) == Recovered(sealed=1)
    assert told_by(spool, all_sealed(spool)[0]).sequence == 1


def test_an_adopted_file_becomes_a_link_of_its_own(spool: Spool, recording: Recording, clips: dict[str, Path]) -> None:
    for number in range(2):
        start = NOON + timedelta(seconds=2 * number)
        written(spool, recording, clips[OWN], start).seal(start, start + timedelta(seconds=2), timedelta(seconds=1))
    first, second = all_sealed(spool)
    with spool._database.transaction() as db:
        db.execute("DELETE FROM segments WHERE id = ?", (str(first.id),))
    assert take_stock(spool).adopted == 1
    adopted = spool.segments.get(first.id)
    assert adopted is not None
    told = told_by(spool, adopted)
    assert second.sealed is not None
    assert (told.sequence, told.previous_sha256, told.clock_error_seconds) == (3, second.sealed.sha256, 1.0)


def test_the_longest_name_fits(spool: Spool, clips: dict[str, Path]) -> None:
    long = Recording(uuid7(), uuid7(), None, "\U0001f4f7" * 1200, NOON, until=NOON + timedelta(hours=1))
    spool.recordings.begin(long)
    segment = written(spool, long, clips[OWN]).seal(NOON, NOON + timedelta(seconds=2))
    assert segment is not None
    told = box_of(spool.segments.file(segment))
    assert told is not None
    assert len(told.box()) < MOST_BOX_BYTES
    assert told.client_id is None, "no control plane has said yet who this is"


def test_who_the_recorder_is_outlives_a_restart(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path)
    spool.know_client(CLIENT)
    assert spool.kept_client_id() == CLIENT
    spool.know_client(UUID(int=0))
    spool.close()
    again = Spool.open(tmp_path)
    assert again.client_id == CLIENT
    again.close()
