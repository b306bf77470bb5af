"""What the demo's summary counts, and what it does not take for proven."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import google_crc32c
import pytest
from PIL import Image

from camfleet_contract.messages import Interval
from demo.proof import CameraSummary, is_ok, is_proven, summarize

START = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def listed(name: str, start: float, end: float, state: str = "stored") -> dict[str, Any]:
    """A segment as the REST API lists it."""
    return {"object_name": name, "started_at": at(start).isoformat(), "ended_at": at(end).isoformat(), "state": state}


def test_only_stored_footage_within_the_due_time_counts_and_overlaps_count_once() -> None:
    due = [Interval(start=at(0), end=at(60)), Interval(start=at(30), end=at(90))]
    segments = [
        listed("before-and-into", -10, 20),
        listed("overlapping", 15, 40),
        listed("only-offered", 40, 60, state="offered"),
        listed("beyond", 80, 200),
    ]
    line = summarize("Yard", due, segments)
    assert line.seconds_due == 90
    assert line.seconds_recorded == 50
    assert line.segments_stored == 3


def test_what_was_not_proven_is_not_ok() -> None:
    line = summarize("Yard", [Interval(start=at(0), end=at(60))], [listed("all", 0, 60)])
    assert line.seconds_recorded == 60
    assert not line.is_ok


def test_a_run_without_footage_is_not_ok_and_a_camera_that_was_not_due_does_not_matter() -> None:
    idle = summarize("Idle", [], [])
    recorded = CameraSummary("Yard", 60, 59, segments_stored=6, segments_verified=6)
    assert not is_ok([])
    assert not is_ok([idle])
    assert is_ok([idle, recorded])
    assert not is_ok([recorded, CameraSummary("Gate", 60, 50, segments_stored=5, segments_verified=5)])


@pytest.fixture
def segment(tmp_path: Path) -> dict[str, Any]:
    """A real segment of ten pictures in the store."""
    file = tmp_path / "segment.mp4"
    with av.open(str(file), "w") as media:
        stream = media.add_stream("libx264", rate=10, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for i in range(10):
            picture = av.VideoFrame.from_image(Image.new("RGB", (64, 64), (i * 20, 0, 0)))
            media.mux(stream.encode(picture))
        media.mux(stream.encode(None))
    return described(file)


def described(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    return listed(file.name, 0, 1) | {
        "crc32c": base64.b64encode(google_crc32c.Checksum(content).digest()).decode(),
        "sha256": hashlib.sha256(content).hexdigest(),
        "packets": 10,
    }


def test_a_whole_segment_is_proven(segment: dict[str, Any], tmp_path: Path) -> None:
    assert is_proven(segment, tmp_path)


def test_a_flipped_bit_is_found(segment: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / segment["object_name"]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert not is_proven(segment, tmp_path)


def test_a_missing_packet_is_found_even_where_the_checksums_fit(segment: dict[str, Any], tmp_path: Path) -> None:
    assert not is_proven(segment | {"packets": 11}, tmp_path)


def test_a_missing_object_is_found(segment: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / segment["object_name"]).unlink()
    assert not is_proven(segment, tmp_path)
