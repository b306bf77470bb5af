"""A spool full of footage that waits: real segments, as a recorder without an uplink leaves them."""

import base64
import hashlib
import random
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from uuid import UUID

import av
import google_crc32c
from uuid_utils.compat import uuid7

from bench.fast_forward import make_clip
from camfleet_contract.recordings import RecordingStatus
from recorder.segments import SegmentWriter
from recorder.spool import Recording, Spool
from recorder.tracks import Tracks


@dataclass(frozen=True, slots=True)
class Waiting:
    """One of them."""

    id: UUID
    camera_id: UUID
    start: datetime
    file: Path
    size_bytes: int
    crc32c: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Footage:
    """What is to be made: cameras take turns, segment after segment without a gap."""

    segments: int
    since: datetime
    seconds: float
    """Of each segment, as its row says; its file holds a second at most."""
    packets: Sequence[int] = (2,)
    """How many of its clip a segment holds, drawn at random: some 40 kB each."""


def fill(base: Path, cameras: Sequence[UUID], footage: Footage, chance: random.Random) -> list[Waiting]:
    """Write them into the spool at `base` by the recorder's own writer; in the order in which they were sealed."""
    clip = base.with_name("clip.mp4")
    make_clip(clip)
    made = []
    with closing(Spool.open(base)) as spool:
        recordings = [Recording(uuid7(), UUID(str(camera)), None, "Outage", footage.since) for camera in cameras]
        for recording in recordings:
            spool.recordings.begin(recording)
        step = timedelta(seconds=footage.seconds)
        for number in range(footage.segments):
            recording = recordings[number % len(recordings)]
            start = footage.since + number // len(recordings) * step
            made.append(_sealed(spool, recording, start, step, clip, chance.choice(footage.packets)))
        for recording in recordings:
            end = spool.segments.end_of(recording.id)
            spool.recordings.finish(recording.id, RecordingStatus.COMPLETED, end or footage.since)
    return made


def _sealed(
    spool: Spool, recording: Recording, start: datetime, length: timedelta, clip: Path, packets: int
) -> Waiting:
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        writer = SegmentWriter(spool, recording.id, recording.camera_id, start, 0.0, Tracks(video, None))
        usable = (packet for packet in source.demux(video) if packet.size and packet.dts is not None)
        for packet in islice(usable, packets):
            writer.write_video(packet, float((packet.dts or 0) * packet.time_base))
        segment = writer.seal(start, start + length)
    if segment is None or segment.sealed is None:
        raise RuntimeError("the clip is empty")
    sealed = segment.sealed
    return Waiting(
        segment.id,
        segment.camera_id,
        start,
        spool.segments.file(segment),
        sealed.size_bytes,
        sealed.crc32c,
        sealed.sha256,
    )


def is_whole(file: Path, segment: Waiting) -> bool:
    """Whether a copy has its size and both its checksums."""
    try:
        content = file.read_bytes()
    except OSError:
        return False
    crc32c = base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
    told = (len(content), crc32c, hashlib.sha256(content).hexdigest())
    return told == (segment.size_bytes, segment.crc32c, segment.sha256)
