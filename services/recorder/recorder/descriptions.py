"""The box at the end of a segment's file, in which it says what it is, so that it can do without any database."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from camfleet_contract.descriptions import MOST_BOX_BYTES, SegmentDescription
from recorder.spool import Place, Segment, Spool

_LONGEST_NAME = 1000


@dataclass(frozen=True, slots=True)
class Take:
    """What is known of a segment's footage once it is complete."""

    start: datetime
    end: datetime
    codec: str
    packets: int
    """Video packets."""
    clock_error_seconds: float | None = None


def description_of(spool: Spool, segment: Segment, place: Place, take: Take) -> SegmentDescription:
    """What its file is to say. `place` is its own in the camera's chain, and stays that until it is sealed."""
    recording = spool.recordings.get(segment.recording_id)
    return SegmentDescription(
        segment_id=segment.id,
        recording_id=segment.recording_id,
        camera_id=segment.camera_id,
        client_id=spool.kept_client_id(),
        recorder_id=spool.recorder_id,
        sequence=place.sequence,
        previous_sha256=place.previous_sha256,
        previous_link_sha256=place.previous_link_sha256,
        start=take.start,
        end=take.end,
        clock_error_seconds=take.clock_error_seconds,
        codec=take.codec,
        packets=take.packets,
        recording_name=recording.name[:_LONGEST_NAME] if recording else "",
        schedule_id=recording.schedule_id if recording else None,
        recording_started_at=recording.started_at if recording else None,
    )


def append_box(path: Path, description: SegmentDescription) -> None:
    """Let the file say it. OSError; one that is cut off then does no harm, and neither does an older one before it."""
    with path.open("ab", buffering=0) as file:
        box = memoryview(description.box())
        while box:
            box = box[file.write(box) :]


def box_of(path: Path) -> SegmentDescription | None:
    """What the file says, if it does; its last bytes are read. OSError."""
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - MOST_BOX_BYTES))
        return SegmentDescription.at_end(file.read())
