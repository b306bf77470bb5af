"""Files that may be anybody's are read by a child that can do no harm."""

import asyncio
import importlib.util
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from control_plane.drills import demuxer
from control_plane.drills.demuxing import DemuxerUnavailableError, UndemuxableError, can_demux, packets_in
from tests.control_plane.drills.segments import PACKETS


def children() -> set[int]:
    return {int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()}


async def packets(content: bytes, seconds: float = 60) -> int:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return await packets_in(file, seconds=seconds)


async def test_the_packets_of_the_video_are_counted(footage: bytes) -> None:
    assert await packets(footage) == PACKETS


async def test_a_child_that_takes_too_long_is_ended_and_says_nothing_of_the_file(footage: bytes) -> None:
    before = children()
    with pytest.raises(DemuxerUnavailableError, match="longer than 0 s"):
        await packets(footage, seconds=0.001)
    assert children() <= before


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"\0\0\0\x08ftyp", os.urandom(100_000)])
async def test_what_is_no_mp4_is_told_in_short_words(content: bytes) -> None:
    with pytest.raises(UndemuxableError) as told:
        await packets(content)
    assert 0 < len(str(told.value)) <= 200


async def test_another_format_is_not_guessed_at() -> None:
    """A playlist would have its reader open whatever it names."""
    with pytest.raises(UndemuxableError):
        await packets(b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")


CHILD = """
import resource, sys
from control_plane.drills import demuxer
demuxer._packets = lambda: {body}
demuxer.main()
"""


async def child(body: str) -> tuple[int, str]:
    """The child's program, with something else to do."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD.format(body=body), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, said.decode()


async def test_the_child_gets_no_more_memory_than_its_limit() -> None:
    assert await child(f"len(bytearray({2 * demuxer.MEMORY_BYTES}))") == (
        0,
        '{"problem": "needs more than 1024 MiB of memory"}',
    )


async def test_the_child_writes_no_file(tmp_path: Path) -> None:
    code, said = await child(f"__import__('pathlib').Path({str(tmp_path / 'file')!r}).write_bytes(b'x')")
    assert code < 0 or "File too large" in said, said
    assert not (tmp_path / "file").exists() or (tmp_path / "file").read_bytes() == b""


async def test_the_childs_processor_time_is_limited() -> None:
    assert await child("resource.getrlimit(resource.RLIMIT_CPU)[0]") == (0, '{"packets": 60}')
    busy = "resource.setrlimit(resource.RLIMIT_CPU, (1, 6)) or sum(iter(int, 1))"
    assert await child(busy) == (-signal.SIGXCPU, ""), "that is the file's doing"


def reader(folder: Path, body: str) -> str:
    """A program that runs as the child would, where something is wrong with the machine."""
    program = folder / "python"
    program.write_text(f"#!{sys.executable}\nimport os, signal, sys\n{body}\n")
    program.chmod(0o700)
    return str(program)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "too little memory"),
        (
            "sys.modules['av'] = None\nfrom control_plane.drills import demuxer\ndemuxer.main()",
            "can't load PyAV",
        ),
    ],
    ids=["killed for want of memory", "without its library"],
)
async def test_a_machine_that_can_not_demux_says_nothing_of_the_file(
    footage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, says: str
) -> None:
    monkeypatch.setattr(sys, "executable", reader(tmp_path, body))
    with pytest.raises(DemuxerUnavailableError, match=says):
        await packets(footage)


def test_without_pyav_it_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_demux()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not can_demux()


async def test_a_child_that_cannot_be_started_says_nothing_of_the_file(
    footage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DemuxerUnavailableError, match="No such file"):
        await packets(footage)
