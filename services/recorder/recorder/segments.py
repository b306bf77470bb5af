"""One segment's file: packets in, a hybrid fragmented MP4 out, sealed step by step."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from uuid import UUID

import av
import google_crc32c
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream
from uuid_utils.compat import uuid7

from recorder.audio import AudioPolicy, AudioTrack, audio_track
from recorder.growing_file import GrowingFile
from recorder.parameter_sets import picture_size
from recorder.spool import Sealed, Segment, Spool
from recorder.spool.directory import sync_folder

# Readable up to the last fragment after a crash, a plain MP4 that every player seeks in after a normal close.
# frag_duration plus what the interleaver holds back is what a crash costs: less than a second. Sound that has to be
# encoded comes a quarter of a second after its pictures; they don't wait for it.
MUXING = {
    "movflags": "hybrid_fragmented+delay_moov+frag_keyframe",
    "frag_duration": "500000",
    "flush_packets": "1",
    "max_interleave_delta": "100000",
}
_BLOCK = 128 << 10
"""Small enough for malloc to use the same memory again and again."""
_WRITE_BYTES = 128 << 10
"""Each open segment keeps a buffer of so much."""
_SOUND_PATIENCE_SECONDS = 0.5
"""How long a segment waits for sound; with none by then it is without, and the next begins when sound comes."""
_DEFAULT_TIME_BASE = Fraction(1, 90_000)


def _describe(track: VideoStream, parameter_sets: bytes | None) -> None:
    if parameter_sets is not None:
        track.codec_context.extradata = parameter_sets


@dataclass(frozen=True, slots=True)
class Tracks:
    """What of an open input goes into segments."""

    video: VideoStream
    audio: AudioStream | None
    policy: AudioPolicy = AudioPolicy.COPY
    describe: Callable[[VideoStream, bytes | None], None] = _describe
    """Makes a segment's track say how its pictures are coded, by these parameter sets if there are any."""


class SegmentWriter:
    """Writes one segment. The row is there before the file, and the file before the first packet."""

    def __init__(
        self,
        spool: Spool,
        recording_id: UUID,
        camera_id: UUID,
        start: datetime,
        first_second: float,
        tracks: Tracks,
        parameter_sets: bytes | None = None,
    ) -> None:
        """`first_second` is the place in the timeline of the first packet, which must be a video keyframe.

        `parameter_sets` are those that the keyframe brings itself: what the stream announced may be old.
        DiskMissing or OSError if there is nowhere to write.
        """
        self._spool = spool
        self.first_second = self.last_second = first_second
        self._tracks = tracks
        self._codec = tracks.video.codec_context.name
        self._packets = 0
        self._last_audio = -1
        self._video_base = _ticks(first_second, tracks.video)
        self._audio_base = _ticks(first_second, tracks.audio)
        self._audio: AudioTrack | None = None
        expects_sound = tracks.audio is not None and tracks.policy is not AudioPolicy.NONE
        self._waiting: list[Packet[Stream]] | None = [] if expects_sound else None
        """Pictures that came before the first sound."""
        self.lacks_sound = False
        """Sound came too late for this segment."""
        self.parameter_sets = parameter_sets
        spool.check_disk()
        self.segment = spool.segments.begin(uuid7(), recording_id, camera_id, start)
        self.path = spool.segments.open_file(self.segment)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = GrowingFile(self.path)
            self._open()
        except BaseException:
            spool.segments.abandon(self.segment.id)
            raise

    def _open(self) -> None:
        try:
            self._output = av.open(self._file, mode="w", format="mp4", options=dict(MUXING), buffer_size=_WRITE_BYTES)
            self._output.metadata.update(metadata(self.segment))
            self._video = self._output.add_stream_from_template(self._tracks.video)
            self._video.time_base = self._tracks.video.time_base or _DEFAULT_TIME_BASE
            self._tracks.describe(self._video, self.parameter_sets)
            # What was seen when the stream was opened may be another size, or none.
            if self.parameter_sets is not None and (size := picture_size(self.parameter_sets, self._codec)):
                self._video.width, self._video.height = size
            if self._codec == "hevc":
                self._video.codec_context.codec_tag = "hvc1"  # browsers and Apple play no other
        except BaseException:
            self._file.close()
            raise

    def write_video(self, packet: "Packet[Stream]", second: float) -> None:
        """The next video packet, in decoding order. OSError if the disk is full or broken."""
        if packet.dts is not None:
            packet.dts -= self._video_base
        if packet.pts is not None:
            packet.pts -= self._video_base
        packet.stream = self._video
        self.last_second = second
        self._packets += 1
        if self._waiting is None:
            self._output.mux_one(packet)
            return
        self._waiting.append(packet)
        if second - self.first_second >= _SOUND_PATIENCE_SECONDS:
            self._stop_waiting()

    def write_audio(self, packet: "Packet[Stream]") -> None:
        """The next audio packet. OSError if the disk is full or broken."""
        if self._waiting is not None and self._tracks.audio is not None:
            self._audio = audio_track(self._output, self._tracks.audio, self._tracks.policy)
            self._stop_waiting()
        if self._audio is None:
            self.lacks_sound = self._tracks.policy is not AudioPolicy.NONE
            return
        # Sound that belongs to just before the cut but came after it begins the segment a little late.
        packet.dts = packet.pts = self._last_audio = max((packet.dts or 0) - self._audio_base, self._last_audio + 1)
        for part in self._audio.packets(packet):
            self._output.mux_one(part)

    def _stop_waiting(self) -> None:
        # A sound track without a packet would keep libav from writing anything at all before the segment's end.
        waiting, self._waiting = self._waiting or [], None
        for packet in waiting:
            self._output.mux_one(packet)

    def seal(self, start: datetime, end: datetime, clock_error: timedelta | None = None) -> Segment | None:
        """Complete, sync, rename, sync the folder, then the row; None if nothing was in it.

        `clock_error` is that of the stamps, where it is known. OSError leaves the row open and the fragments on disk,
        for `recovery`.
        """
        if self._packets == 0:
            self.discard()
            return None
        try:
            self._stop_waiting()
            with suppress(av.FFmpegError):  # sound that can't be finished
                for part in self._audio.rest() if self._audio else ():
                    self._output.mux_one(part)
            self._output.close()
        except av.FFmpegError as error:
            # What libav says of a write that failed earlier names no reason.
            raise self._file.failure or error from None
        finally:
            self._file.close()
        facts = seal_file(self.path, self._spool.segments.file(self.segment))
        sealed = Sealed(
            start=start,
            end=max(end, start + timedelta(milliseconds=1)),
            size_bytes=facts.size_bytes,
            crc32c=facts.crc32c,
            sha256=facts.sha256,
            codec=self._codec,
            packets=self._packets,
            clock_error_seconds=clock_error.total_seconds() if clock_error is not None else None,
        )
        self._spool.segments.seal(self.segment.id, sealed)
        return self._spool.segments.get(self.segment.id)

    def discard(self) -> None:
        """Nothing came, or nothing more can be written: let go of the file. Fragments stay on disk."""
        with suppress(av.FFmpegError, OSError):
            self._output.close()
        self._file.close()
        if self._packets == 0:
            self._spool.segments.abandon(self.segment.id)


def _ticks(second: float, track: Stream | None) -> int:
    time_base = _DEFAULT_TIME_BASE if track is None else track.time_base or _DEFAULT_TIME_BASE
    return round(second / time_base)


def metadata(segment: Segment) -> dict[str, str]:
    """What a segment's file says of itself, so that a spool or a database can be rebuilt from files alone."""
    identity = {
        "camera_id": str(segment.camera_id),
        "recording_id": str(segment.recording_id),
        "segment_id": str(segment.id),
        "start": segment.opened_at.isoformat(),
    }
    return {"comment": json.dumps(identity), "creation_time": segment.opened_at.isoformat()}


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What is known of a file's bytes."""

    size_bytes: int
    crc32c: str
    sha256: str


def seal_file(part: Path, final: Path) -> FileFacts:
    """Sync, read back, rename, sync the folder: afterwards the file survives a power cut under its final name."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    facts = read_back(part)
    part.rename(final)
    sync_folder(final.parent)
    return facts


def read_back(path: Path) -> FileFacts:
    """Size and checksums of what is on disk, not of what was meant to be."""
    crc, sha, size = google_crc32c.Checksum(), hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc.update(block)
            sha.update(block)
            size += len(block)
    return FileFacts(size, base64.b64encode(crc.digest()).decode(), sha.hexdigest())
