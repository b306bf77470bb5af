"""What the demo proves at its end: every stored segment demuxed to its end, its checksums compared."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import google_crc32c

from camfleet_contract.messages import Interval

# A share alone would fail runs of some seconds, where waiting for the first keyframe weighs more. From forty seconds
# on it is the share that counts.
LOST_SHARE = 0.03
LOST_SECONDS = 1.2


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """One camera's line in the summary."""

    name: str
    seconds_due: float
    seconds_recorded: float
    segments_stored: int
    segments_verified: int

    @property
    def is_ok(self) -> bool:
        """Whether nearly all that was due was recorded, and every stored segment is proven."""
        lost = self.seconds_due - self.seconds_recorded
        return (
            lost <= max(LOST_SHARE * self.seconds_due, LOST_SECONDS) and self.segments_verified == self.segments_stored
        )

    def as_json(self) -> dict[str, str | float | int]:
        """The line as `--json` writes it."""
        return {
            "name": self.name,
            "seconds_due": round(self.seconds_due, 2),
            "seconds_recorded": round(self.seconds_recorded, 2),
            "segments_stored": self.segments_stored,
            "segments_verified": self.segments_verified,
        }


def is_ok(summary: list[CameraSummary]) -> bool:
    """Whether footage was recorded, uploaded and verified, of every camera that was due."""
    return any(line.segments_stored for line in summary) and all(line.is_ok for line in summary)


def summarize(
    name: str, due: Iterable[Interval], segments: list[dict[str, Any]], store: Path | None = None
) -> CameraSummary:
    """Compare what was due with what is stored. `segments` are the REST API's.

    With `store`, the folder they went to, every stored segment is read and proven.
    """
    stored = [segment for segment in segments if segment["state"] == "stored"]
    wanted = merged([(interval.start, interval.end) for interval in due])
    recorded = merged([(_moment(segment["started_at"]), _moment(segment["ended_at"])) for segment in stored])
    return CameraSummary(
        name=name,
        seconds_due=seconds(wanted),
        seconds_recorded=seconds(common(wanted, recorded)),
        segments_stored=len(stored),
        segments_verified=sum(is_proven(segment, store) for segment in stored) if store else 0,
    )


def is_proven(segment: dict[str, Any], store: Path) -> bool:
    """Whether the object has the checksums that were reported, begins with a keyframe, and demuxes to its end."""
    file = store / segment["object_name"]
    if not file.is_file():
        return False
    content = file.read_bytes()
    crc32c = base64.b64encode(google_crc32c.Checksum(content).digest()).decode()
    if (crc32c, hashlib.sha256(content).hexdigest()) != (segment["crc32c"], segment["sha256"]):
        return False
    with av.open(str(file)) as media:
        video = [packet for packet in media.demux(media.streams.video[0]) if packet.size]
    return bool(video) and video[0].is_keyframe and len(video) == segment["packets"]


Stretch = tuple[datetime, datetime]


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same time without overlaps, in order."""
    result: list[Stretch] = []
    for start, end in sorted(stretches):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((start, end))
    return result


def common(one: list[Stretch], other: list[Stretch]) -> list[Stretch]:
    """The time that is in both; neither overlaps itself."""
    pairs = ((max(a[0], b[0]), min(a[1], b[1])) for a in one for b in other)
    return [(start, end) for start, end in pairs if start < end]


def seconds(stretches: Iterable[Stretch]) -> float:
    """The length of all stretches together."""
    return sum((end - start).total_seconds() for start, end in stretches)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
