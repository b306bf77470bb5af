"""Which of the packets that a simulated camera has sent are in files: compared by hash, packet by packet."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import av

from camera_simulator import Camera, Kind, VideoCodec, nal_units
from camera_simulator.specs import VIDEO_CLOCK_HZ

_LENGTH_BYTES = 4


class WrongPackets(Exception):
    """A file holds what the camera never sent, or holds it twice."""


@dataclass(frozen=True, slots=True)
class SentPacket:
    """A video packet that the camera handed to a viewer's connection."""

    viewer: int
    digest: str
    size_bytes: int
    wall_seconds: float
    """Since 1970, when it was due by the camera's clock."""


class SentPackets:
    """All video packets of one camera so far, and which of them were found in files."""

    def __init__(self, camera: Camera, switched_on: datetime) -> None:
        """`camera` was `switched_on` then, and its RTP clock began at 0."""
        self.frame_seconds = 1 / camera.spec.fps
        self._codec = camera.spec.codec
        self._loop_seconds = camera.spec.loop_seconds
        units = {
            unit.sha256: (digest(nal_units.split(unit.data), self._codec), len(unit.data))
            for media in camera.sources
            for unit in media.video.units
        }
        began = switched_on.timestamp()
        self.packets = [
            SentPacket(unit.viewer, *units[unit.sha256], began + unit.rtp_time / VIDEO_CLOCK_HZ)
            for unit in camera.sent(Kind.VIDEO)
        ]
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, packet in enumerate(self.packets):
            self._places[packet.digest].append(place)
        self._found: set[int] = set()

    def find(self, file: Path, started_at: datetime) -> None:
        """Tick off what is in a file. WrongPackets unless it is an unbroken run of what one viewer was sent."""
        found = video_digests(file)
        # The loop repeats; the one that was on when the segment began is meant.
        near = [
            place
            for place in self._places.get(found[0], [])
            if abs(self.packets[place].wall_seconds - started_at.timestamp()) < self._loop_seconds / 2
        ]
        if len(near) != 1:
            raise WrongPackets(f"{file.name} begins with a packet that was sent {len(near)} times about then")
        places = range(near[0], near[0] + len(found))
        sent = self.packets[places.start : places.stop]
        if [packet.digest for packet in sent] != found or len({packet.viewer for packet in sent}) != 1:
            raise WrongPackets(f"{file.name} is no unbroken run of what the camera sent")
        if not self._found.isdisjoint(places):
            raise WrongPackets(f"{file.name} repeats packets of another file")
        self._found.update(places)

    def seconds_of(self, size_bytes: int, until: int) -> float:
        """How much stream so many bytes are that were sent last, before the packet at `until`."""
        place = until
        while size_bytes > 0 and place > 0:
            place -= 1
            size_bytes -= self.packets[place].size_bytes
        return (until - place) * self.frame_seconds

    def missing(self, places: Iterable[int]) -> list[int]:
        """Those of `places` that are in no file."""
        return [place for place in places if place not in self._found]


def digest(units: list[bytes], codec: VideoCodec) -> str:
    """Of a packet's NAL units.

    ISO/IEC 14496-15 wants the parameter sets of `hvc1` tracks in the sample entry only: they are left out.
    """
    if codec is VideoCodec.H265:
        units = [unit for unit in units if not nal_units.is_parameter_set(codec, unit)]
    return hashlib.sha256(b"|".join(units)).hexdigest()


def video_digests(file: Path) -> list[str]:
    """Of every video packet of an MP4 file."""
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        codec = VideoCodec.H265 if stream.codec_context.name == "hevc" else VideoCodec.H264
        return [digest(_units(bytes(packet)), codec) for packet in container.demux(stream) if packet.size]


def _units(packet: bytes) -> list[bytes]:
    """The NAL units behind their lengths (ISO/IEC 14496-15)."""
    units, at = [], 0
    while at < len(packet):
        length = int.from_bytes(packet[at : at + _LENGTH_BYTES], "big")
        units.append(packet[at + _LENGTH_BYTES : at + _LENGTH_BYTES + length])
        at += _LENGTH_BYTES + length
    return units
