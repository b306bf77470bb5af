"""One segment, its file and its row: samples in, a hybrid fragmented MP4 out, sealed step by step."""

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import av
import google_crc32c
from uuid_utils.compat import uuid7

from recorder.descriptions import Take, append_box, description_of
from recorder.growing_file import GrowingFile
from recorder.muxing import muxer
from recorder.samples import Sample
from recorder.spool import Sealed, Segment, Spool
from recorder.spool.directory import sync_folder
from recorder.tracks import Tracks, time_base_of

_BLOCK = 128 << 10
"""Small enough for malloc to use the same memory again and again."""


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
        self._codec = tracks.video.codec_context.name
        self._packets = 0
        self._last_audio = -1
        self._video_base = round(first_second / time_base_of(tracks.video))
        self._audio_base = round(first_second / time_base_of(tracks.audio))
        self.parameter_sets = parameter_sets
        spool.check_disk()
        self.segment = spool.segments.begin(uuid7(), recording_id, camera_id, start)
        self.path = spool.segments.open_file(self.segment)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = GrowingFile(self.path)
            try:
                self._output = muxer(self._file, tracks, parameter_sets, metadata(self.segment))
            except BaseException:
                self._file.close()
                raise
        except BaseException:
            spool.segments.abandon(self.segment.id)
            raise

    @property
    def lacks_sound(self) -> bool:
        """Sound came too late for this segment."""
        return self._output.lacks_sound

    def write_video(self, sample: Sample, second: float) -> None:
        """The next picture, in decoding order. OSError if the disk is full or broken."""
        if sample.dts is not None:
            sample.dts -= self._video_base
        if sample.pts is not None:
            sample.pts -= self._video_base
        self.last_second = second
        self._packets += 1
        self._output.write_video(sample)

    def write_audio(self, sample: Sample) -> None:
        """The next piece of sound. OSError if the disk is full or broken."""
        # Sound that belongs to just before the cut but came after it begins the segment a little late.
        sample.dts = sample.pts = self._last_audio = max((sample.dts or 0) - self._audio_base, self._last_audio + 1)
        self._output.write_audio(sample)

    def pause(self) -> None:
        """Nothing comes for a while: what waits is written as far as that can be. OSError as of `write_video`."""
        self._output.pause()

    def seal(self, start: datetime, end: datetime, clock_error: timedelta | None = None) -> Segment | None:
        """Complete, say what it is, sync, rename, sync the folder, then the row; None if nothing was in it.

        `clock_error` is that of the stamps, where it is known. OSError leaves the row open and the fragments on disk,
        for `recovery`.
        """
        if self._packets == 0:
            self.discard()
            return None
        try:
            self._output.close()
        except av.FFmpegError as error:
            # What libav says of a write that failed earlier names no reason.
            raise self._file.failure or error from None
        finally:
            self._file.close()
        take = Take(
            start=start,
            end=max(end, start + timedelta(milliseconds=1)),
            codec=self._codec,
            packets=self._packets,
            clock_error_seconds=clock_error.total_seconds() if clock_error is not None else None,
        )
        with self._spool.chains.turn(self.segment.camera_id) as place:
            append_box(self.path, description_of(self._spool, self.segment, place, take))
            facts = seal_file(self.path, self._spool.segments.file(self.segment))
            self._spool.segments.seal(self.segment.id, sealed_as(take, facts))
        return self._spool.segments.get(self.segment.id)

    def discard(self) -> None:
        """Nothing came, or nothing more can be written: let go of the file. Fragments stay on disk."""
        self._output.give_up()
        self._file.close()
        if self._packets == 0:
            self._spool.segments.abandon(self.segment.id)


def metadata(segment: Segment) -> dict[str, str]:
    """What a segment's file says of itself from its first byte on; the rest is in the box at its end."""
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


def sealed_as(take: Take, facts: FileFacts) -> Sealed:
    """All that the row is to say."""
    return Sealed(
        start=take.start,
        end=take.end,
        size_bytes=facts.size_bytes,
        crc32c=facts.crc32c,
        sha256=facts.sha256,
        codec=take.codec,
        packets=take.packets,
        clock_error_seconds=take.clock_error_seconds,
    )


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
