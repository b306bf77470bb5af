"""Sound in segments: copied where MP4 holds it, encoded where it doesn't, never a reason to lose pictures."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import pytest
from uuid_utils.compat import uuid7

from recorder.audio import AudioPolicy
from recorder.segments import SegmentWriter, Tracks
from recorder.spool import Recording, Spool
from tests.recorder.footage import make_clip

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def segment_of(spool: Spool, clip: Path, policy: AudioPolicy) -> Path:
    recording = Recording(uuid7(), uuid7(), None, "Yard", NOON)
    spool.recordings.begin(recording)
    with av.open(str(clip)) as source:
        video, audio = source.streams.video[0], source.streams.audio[0]
        writer = SegmentWriter(spool, recording.id, recording.camera_id, NOON, 0.0, Tracks(video, audio, policy))
        for packet in source.demux(video, audio):
            if packet.size == 0:
                continue
            if packet.stream_index == video.index:
                writer.write_video(packet, float((packet.dts or 0) * packet.time_base))
            else:
                writer.write_audio(packet)
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


def test_no_sound_is_kept_where_none_is_wanted(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=2)
    with av.open(str(segment_of(spool, clip, AudioPolicy.NONE))) as container:
        assert [stream.type for stream in container.streams] == ["video"]
