"""What is in the segments of one camera, packet by packet, beside what the camera sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import dropwhile, pairwise
from uuid import UUID

import av

from camera_simulator import Camera, Kind, SentUnit
from recorder.spool import Spool
from tests.recorder.footage import nal_units
from tests.recorder.rig import sealed

PARAMETER_SETS = {32, 33, 34}
"""VPS, SPS, PPS of H.265: ISO/IEC 14496-15 wants them in the sample entry of an `hvc1` track, and only there."""
VIDEO_HZ = 90_000


@dataclass(frozen=True)
class Picture:
    """A video packet; its times count ticks from its segment's start."""

    digest: str
    pts: int
    dts: int
    is_keyframe: bool


@dataclass(frozen=True)
class Footage:
    """One segment."""

    start: datetime
    end: datetime
    codec: str
    tag: str
    tracks: tuple[str, ...]
    pictures: tuple[Picture, ...]
    sound: tuple[float, ...]
    """The seconds of the audio packets."""

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def footage(spool: Spool, camera_id: UUID) -> list[Footage]:
    """The camera's segments in order, having checked what holds for each of them."""
    found = []
    for segment in sealed(spool):
        if segment.camera_id != camera_id:
            continue
        assert segment.sealed is not None
        with av.open(str(spool.segments.file(segment))) as container:
            video = container.streams.video[0]
            packets = [packet for packet in container.demux() if packet.size]
            pictures = []
            for packet in packets:
                if packet.stream_index == video.index:
                    assert packet.pts is not None
                    assert packet.dts is not None
                    scale = packet.time_base * VIDEO_HZ
                    digest = digest_of(bytes(packet), segment.sealed.codec, annex_b=False)
                    times = round(packet.pts * scale), round(packet.dts * scale)
                    pictures.append(Picture(digest, *times, packet.is_keyframe))
            sound = tuple(
                float((packet.pts or 0) * packet.time_base) for packet in packets if packet.stream_index != video.index
            )
            tracks = tuple(stream.codec_context.name for stream in container.streams)
            tag = video.codec_context.codec_tag
        assert pictures[0].is_keyframe
        assert all(earlier.dts < later.dts for earlier, later in pairwise(pictures)), "decoding goes forward"
        assert all(picture.pts >= picture.dts for picture in pictures)
        assert len(pictures) == segment.sealed.packets
        codec = segment.sealed.codec
        found.append(Footage(segment.sealed.start, segment.sealed.end, codec, tag, tracks, tuple(pictures), sound))
    return sorted(found, key=lambda piece: piece.start)


def digest_of(data: bytes, codec: str, *, annex_b: bool) -> str:
    """Of what the recording has to keep: the NAL units, or a JPEG's scan, whose headers RTP abridges."""
    if codec == "mjpeg":
        scan = data.index(b"\xff\xda")
        return sha256(data[scan:].removesuffix(b"\xff\xd9")).hexdigest()
    units = nal_units(data, annex_b=annex_b)
    if codec == "hevc":
        units = [unit for unit in units if unit[0] >> 1 & 63 not in PARAMETER_SETS]
    return sha256(b"|".join(units)).hexdigest()


def sent_units(camera: Camera) -> list[tuple[str, SentUnit]]:
    """What the camera sent, with the digest that its recording should have."""
    names = {"h264": "h264", "h265": "hevc", "mjpeg": "mjpeg"}
    digests = {
        unit.sha256: digest_of(unit.data, names[source.video.codec], annex_b=True)
        for source in camera.sources
        for unit in source.video.units
    }
    return [(digests[unit.sha256], unit) for unit in camera.sent(Kind.VIDEO)]


def assert_nothing_is_lost(pieces: Sequence[Footage], camera: Camera) -> None:
    """Every packet from the first keyframe on, once and in order, by one connection."""
    sent = sent_units(camera)
    first = next(n for n, (_, unit) in enumerate(sent) if unit.is_keyframe)
    got = [picture.digest for piece in pieces for picture in piece.pictures]
    assert got == [digest for digest, _ in sent[first : first + len(got)]]
    assert {unit.viewer for _, unit in sent} == {1}, "the camera was not opened again"
    assert [piece.end for piece in pieces[:-1]] == [piece.start for piece in pieces[1:]]


def shown_as_sent(pieces: Sequence[Footage], camera: Camera, unknown: int = 0) -> bool:
    """Whether pictures are shown at the distances that the camera gave them, after so many that can't be known."""
    units = dropwhile(lambda unit: not unit.is_keyframe, (unit for _, unit in sent_units(camera)))
    for piece in pieces:
        sent = [next(units).rtp_time for _ in piece.pictures]
        for picture, rtp_time in list(zip(piece.pictures, sent, strict=True))[unknown:]:
            # libav reckons by the sender reports, which round to ticks: a millisecond is the same time.
            apart = rtp_time - sent[unknown] - picture.pts + piece.pictures[unknown].pts
            if (apart + 90) % 2**32 > 180:
                return False
        unknown = 0
    return True
