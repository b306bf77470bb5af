"""Sound in segments: copied where MP4 holds it, encoded where it doesn't, never a reason to lose pictures."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from uuid_utils.compat import uuid7

from recorder.audio import AudioPolicy
from recorder.segments import SegmentWriter
from recorder.spool import Recording, Spool
from recorder.tracks import Tracks
from tests.recorder.footage import make_clip

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@contextmanager
def written(
    spool: Spool, clip: Path, policy: AudioPolicy, *, sound_from: float = -math.inf, sound_until: float = math.inf
) -> Iterator[SegmentWriter]:
    """A segment that holds the clip, and of its sound this much, and isn't sealed yet."""
    recording = Recording(uuid7(), uuid7(), None, "Yard", NOON)
    spool.recordings.begin(recording)
    with av.open(str(clip)) as source:
        video, audio = source.streams.video[0], source.streams.audio[0]
        writer = SegmentWriter(spool, recording.id, recording.camera_id, NOON, 0.0, Tracks(video, audio, policy))
        for packet in source.demux(video, audio):
            if packet.size == 0:
                continue
            second = float((packet.dts or 0) * packet.time_base)
            if packet.stream_index == video.index:
                writer.write_video(packet, second)
            elif sound_from <= second < sound_until:
                writer.write_audio(packet)
        yield writer


def segment_of(spool: Spool, clip: Path, policy: AudioPolicy) -> Path:
    with written(spool, clip, policy) as writer:
        segment = writer.seal(NOON, NOON + timedelta(seconds=4))
    assert segment is not None
    return spool.segments.file(segment)


@pytest.mark.parametrize("codec", ["pcm_alaw", "pcm_mulaw"])
def test_g711_is_encoded_to_aac_in_its_full_length(spool: Spool, tmp_path: Path, codec: str) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=4, audio=codec)
    with av.open(str(segment_of(spool, clip, AudioPolicy.COPY))) as container:
        track = container.streams.audio[0]
        assert (track.codec_context.name, track.rate) == ("aac", 8000)
        heard = sum(frame.samples for frame in container.decode(audio=0)) / 8000
    # One AAC frame of 1024 samples is 128 ms: the encoder's start and the padding of the last one.
    assert heard == pytest.approx(4, abs=0.26)
    assert heard >= 4


@pytest.mark.parametrize("policy", [AudioPolicy.COPY, AudioPolicy.AAC])
def test_aac_is_copied_packet_by_packet(spool: Spool, tmp_path: Path, policy: AudioPolicy) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=4)

    def sound(path: Path) -> list[bytes]:
        with av.open(str(path)) as container:
            return [bytes(packet) for packet in container.demux(container.streams.audio[0]) if packet.size]

    assert sound(segment_of(spool, clip, policy)) == sound(clip)


@pytest.mark.parametrize(
    ("codec", "policy", "kept"),
    [
        ("mp3", AudioPolicy.COPY, "mp3float"),
        ("ac3", AudioPolicy.COPY, "ac3"),
        ("alac", AudioPolicy.COPY, "alac"),
        ("pcm_s16be", AudioPolicy.COPY, "aac"),
        ("mp3", AudioPolicy.AAC, "aac"),
        ("ac3", AudioPolicy.AAC, "aac"),
    ],
)
def test_what_mp4_holds_is_copied_and_the_rest_encoded(
    spool: Spool, tmp_path: Path, codec: str, policy: AudioPolicy, kept: str
) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=2, audio=codec)
    with av.open(str(segment_of(spool, clip, policy))) as container:
        assert container.streams.audio[0].codec_context.name == kept
        heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert heard == pytest.approx(2, abs=0.2)


def test_no_sound_is_kept_where_none_is_wanted(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=2)
    with av.open(str(segment_of(spool, clip, AudioPolicy.NONE))) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_announced_sound_that_does_not_come_keeps_no_pictures_from_the_disk(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=4)
    with written(spool, clip, AudioPolicy.COPY, sound_from=math.inf) as writer:
        with av.open(str(writer.path)) as after_a_crash:
            on_disk = sum(1 for packet in after_a_crash.demux(video=0) if packet.size)
        assert on_disk >= 75, "all but the last second of what came is there before the segment is sealed"
        assert not writer.lacks_sound
        segment = writer.seal(NOON, NOON + timedelta(seconds=4))
    assert segment is not None
    with av.open(str(spool.segments.file(segment))) as container:
        assert [stream.type for stream in container.streams] == ["video"]


def test_sound_that_stops_keeps_no_pictures_from_the_disk(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=4)
    with written(spool, clip, AudioPolicy.COPY, sound_until=1.0) as writer:
        with av.open(str(writer.path)) as after_a_crash:
            on_disk = sum(1 for packet in after_a_crash.demux(video=0) if packet.size)
        assert on_disk >= 75
        assert writer.seal(NOON, NOON + timedelta(seconds=4)) is not None


@pytest.mark.parametrize(
    ("policy", "is_missed"), [(AudioPolicy.COPY, True), (AudioPolicy.NONE, False)], ids=["wanted", "unwanted"]
)
def test_a_segment_says_when_sound_came_too_late_for_it(
    spool: Spool, tmp_path: Path, policy: AudioPolicy, is_missed: bool
) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=3)
    with written(spool, clip, policy, sound_from=1.5) as writer:
        assert writer.lacks_sound is is_missed
        assert writer.seal(NOON, NOON + timedelta(seconds=3)) is not None
