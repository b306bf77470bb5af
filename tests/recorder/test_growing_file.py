"""A segment's file at every moment: what a power cut leaves of it, what a full disk takes, whom it makes wait."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import av
import pytest

from recorder.growing_file import GrowingFile
from recorder.muxing import MUXING
from tests.recorder.footage import make_clip, video_hashes

# A pipe is a disk that takes 64 KiB and then stands still until somebody reads: another thread of the same process.
CLOSING = """
import os, sys, threading
from pathlib import Path
import av
from recorder.growing_file import GrowingFile

pipe, clip = Path(sys.argv[1]), sys.argv[2]
reading_end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
file = GrowingFile(pipe)
with av.open(clip) as source:
    output = av.open(file, "w", format="mp4", options={"movflags": "empty_moov", "frag_duration": "2000000000"})
    track = output.add_stream_from_template(source.streams.video[0])
    for packet in source.demux(video=0):
        if packet.size:
            packet.stream = track
            output.mux_one(packet)
closing = threading.Thread(target=output.close)
closing.start()
seen = 0
while closing.is_alive():
    try:
        seen += len(os.read(reading_end, 65536))
    except BlockingIOError:
        closing.join(0.01)
print(seen)
"""


def test_the_index_is_on_disk_before_the_head_points_to_it(tmp_path: Path) -> None:
    """At the one flush the index is there, and yet the file is still read by its fragments, in full."""
    clip, path = make_clip(tmp_path / "clip.mov", seconds=3), tmp_path / "segment.mp4.part"
    flushed: list[bytes] = []
    file = GrowingFile(path, flush=lambda _: flushed.append(path.read_bytes()))
    with av.open(str(clip)) as source:
        output = av.open(file, "w", format="mp4", options=dict(MUXING))
        tracks = {stream.index: output.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.size:
                packet.stream = tracks[packet.stream_index]
                output.mux_one(packet)
        assert flushed == []
        output.close()
    file.close()

    [before] = flushed
    after = path.read_bytes()
    assert len(before) == len(after), "the index is there"
    assert before != after, "the head is not"
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(before)
    assert video_hashes(cut) == video_hashes(clip)
    assert video_hashes(path) == video_hashes(clip)


def test_while_the_disk_stands_still_at_a_files_end_other_threads_run(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mov", seconds=8, audio=None)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # If closing held the interpreter's lock, nobody would ever empty the pipe.
    done = subprocess.run(
        [sys.executable, "-c", CLOSING, str(pipe), str(clip)], capture_output=True, timeout=60, text=True, check=True
    )
    assert int(done.stdout) > 128 << 10, "more than a pipe holds was written when it was closed"


def test_what_a_disk_takes_only_in_part_fails_and_is_never_taken_for_whole(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        assert file.write(bytes(600)) == 600
        with pytest.raises(OSError, match="File too large"):
            file.write(bytes(600))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
        file.close()
    assert (tmp_path / "a").stat().st_size == 1000


def test_many_parts_are_written_as_one_piece_however_many_a_system_call_takes(tmp_path: Path) -> None:
    parts = [b"%d," % number for number in range(5000)]
    file = GrowingFile(tmp_path / "a")
    file.write_all(parts, len(b"".join(parts)))
    file.close()
    assert (tmp_path / "a").read_bytes() == b"".join(parts)


def test_parts_that_a_disk_takes_only_in_part_fail_and_nothing_follows_them(tmp_path: Path) -> None:
    file = GrowingFile(tmp_path / "a")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            file.write_all([bytes(600), bytes(600)], 1200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    with pytest.raises(OSError, match="File too large"):
        file.write_all([b"more"], 4)
    with pytest.raises(OSError, match="File too large"):
        file.patch(0, b"head")
    file.close()
    assert (tmp_path / "a").read_bytes() == bytes(1000)
