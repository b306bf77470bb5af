"""Demuxing as the drill asks for it: a child process, its limits, and what its answer is worth."""

import asyncio
import importlib.util
import re
import signal
import sys
from typing import BinaryIO

from pydantic import BaseModel, ValidationError

from control_plane.drills.demuxer import UNAVAILABLE

ADVICE = "install camfleet-control-plane[drill], or PyAV beside it"
_SECONDS = 120.0
_MOST_BYTES = 4_096
_LONGEST_PROBLEM = 200
_UNSEEN = re.compile(r"[^\x20-\x7e]+")


class UndemuxableError(Exception):
    """The file can't be read to its end; the text says why, without anything from inside the file but words."""


class DemuxerUnavailableError(Exception):
    """The child could not do its work here, or not just now: that says nothing of the file."""


class _Answer(BaseModel):
    packets: int | None = None
    problem: str = ""


def can_demux() -> bool:
    """Whether PyAV is installed, which the control plane needs for nothing else."""
    return importlib.util.find_spec("av") is not None


async def packets_in(file: BinaryIO, *, seconds: float = _SECONDS) -> int:
    """The packets of the video in `file`, read to its end. Raises UndemuxableError, DemuxerUnavailableError."""
    file.seek(0)
    try:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "control_plane.drills.demuxer",
            stdin=file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            # None of our secrets, should the file get the better of the library.
            env={},
            cwd="/",
        )
    except OSError as error:
        raise DemuxerUnavailableError(f"the process that demuxes can't be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(seconds):
            said = await _read(child)
            code = await child.wait()
    except TimeoutError:
        # A file that keeps its reader busy is met by the limit of processor time, which is half as long.
        raise DemuxerUnavailableError(
            f"the process that demuxes took longer than {seconds:.0f} s: this machine has too much to do"
        ) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return _packets(said, code)


async def _read(child: asyncio.subprocess.Process) -> bytes:
    assert child.stdout is not None  # noqa: S101 - it was asked for
    said = b""
    while len(said) <= _MOST_BYTES and (part := await child.stdout.read(_MOST_BYTES)):
        said += part
    if len(said) > _MOST_BYTES:
        raise UndemuxableError("made its reader say more than it has to say")
    return said


def _packets(said: bytes, code: int) -> int:
    if code == UNAVAILABLE:
        raise DemuxerUnavailableError(f"the process that demuxes can't load PyAV: {ADVICE}")
    if code == -signal.SIGKILL:
        raise DemuxerUnavailableError("the process that demuxes was killed: is there too little memory?")
    if code:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        raise UndemuxableError(f"its reader {how}: broken, or made to break it")
    try:
        answer = _Answer.model_validate_json(said)
    except ValidationError:
        raise UndemuxableError("its reader said nothing that makes sense") from None
    if answer.packets is None:
        raise UndemuxableError(_UNSEEN.sub(" ", answer.problem)[:_LONGEST_PROBLEM] or "can't be read")
    return answer.packets
