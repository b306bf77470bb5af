"""What can still be read of a segment's file, and how it becomes a whole one again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from recorder.mp4.remains import Beginning, readable_bytes
from recorder.muxing import MUXING
from recorder.segments import metadata, seal_file
from recorder.spool import Segment

REMUXED = ".remuxed"
"""Ends the name of a copy in the making: worth nothing after a crash."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file's packets say."""

    codec: str
    packets: int
    duration: timedelta
    start: datetime | None
    recording_id: UUID | None
    segment_id: UUID | None


def examined(path: Path) -> Contents | None:
    """Demux all of a file; None if it holds no video."""
    try:
        with _opened(path) as source:
            if not source.streams.video:
                return None
            walk = _Walk(source)
            for _ in walk.packets():
                pass
            return walk.contents()
    except (OSError, av.FFmpegError, ValueError):
        return None


def remuxed(part: Path, final: Path, segment: Segment) -> Contents | None:
    """Copy the whole fragments of `part` into a plain MP4 at `final`: packets as they are, sealed like any other."""
    copy = part.with_name(final.name + REMUXED)
    try:
        used = _tracks_with_packets(part)
        with _opened(part) as source:
            if not source.streams.video:
                return None
            walk = _Walk(source)
            with av.open(str(copy), "w", format="mp4", options=dict(MUXING)) as output:
                output.metadata.update(metadata(segment))
                tracks = {}
                for stream in walk.tracks:
                    if stream.index not in used:
                        continue  # announced sound that never came
                    track = tracks[stream.index] = output.add_stream_from_template(stream)
                    track.time_base = stream.time_base or Fraction(1, 90_000)
                    if stream.type == "video" and stream.codec_context.name == "hevc":
                        track.codec_context.codec_tag = "hvc1"
                for packet in walk.packets():
                    packet.stream = tracks[packet.stream_index]
                    output.mux_one(packet)
            contents = walk.contents()
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise  # the disk, not the file
        contents = None
    if contents is None:
        copy.unlink(missing_ok=True)
        return None
    seal_file(copy, final)
    return contents


def has_fragments(path: Path) -> bool:
    """Whether any footage was written, whether or not it can be read."""
    with path.open("rb") as file:
        return b"moof" in file.read(4 << 20)


def _tracks_with_packets(path: Path) -> set[int]:
    with _opened(path) as source:
        return {packet.stream_index for packet in _Walk(source).packets()} if source.streams.video else set()


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    whole, there = readable_bytes(path), path.stat().st_size
    if whole == there:
        with av.open(str(path)) as source:
            yield source
    else:
        with path.open("rb") as file, av.open(Beginning(file, whole), "r", format="mp4") as source:
            yield source


class _Walk:
    """One pass over a file's packets that counts as it goes, and ends where the file is cut off."""

    def __init__(self, source: InputContainer) -> None:
        self._source = source
        self._video = source.streams.video[0]
        self.tracks: list[VideoStream | AudioStream] = [self._video, *source.streams.audio[:1]]
        self._packets = 0
        self._first: float | None = None
        self._last = self._frame = 0.0

    def packets(self) -> Iterator["Packet[Stream]"]:
        demuxed = self._source.demux(*self.tracks)
        while True:
            try:
                packet = next(demuxed, None)
            except (av.InvalidDataError, av.EOFError):
                return
            if packet is None or packet.is_corrupt:
                return
            if packet.size == 0 or packet.dts is None:
                continue
            if packet.stream_index == self._video.index:
                self._count(float(packet.dts * packet.time_base))
            yield packet

    def contents(self) -> Contents | None:
        """Of what was walked; None if that was no video."""
        if self._first is None:
            return None
        identity = _identity(self._source.metadata.get("comment", ""))
        return Contents(
            codec=self._video.codec_context.name,
            packets=self._packets,
            duration=timedelta(seconds=self._last - self._first + self._frame),
            start=_moment(identity.get("start")),
            recording_id=uuid_in(identity.get("recording_id")),
            segment_id=uuid_in(identity.get("segment_id")),
        )

    def _count(self, second: float) -> None:
        if self._first is None:
            self._first = second
        else:
            self._frame = second - self._last
        self._last = second
        self._packets += 1


def _identity(comment: str) -> dict[str, str]:
    try:
        identity = json.loads(comment)
    except ValueError:
        return {}
    return identity if isinstance(identity, dict) else {}


def uuid_in(text: str | None) -> UUID | None:
    """The id that a text is, if it is one."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is None or moment.tzinfo else None
