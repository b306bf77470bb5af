"""Real file systems for tests: small ones, and one that misbehaves on command. Only root may mount."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.recorder.waiting import LIMIT_SECONDS, until

_PROGRAM = Path(__file__).with_name("misbehaving_disk.py")


@contextlib.contextmanager
def mounted(what: str, folder: Path, *options: str) -> Iterator[Path]:
    """A mount, gone on leaving; skips the test where that isn't allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    is_root = os.geteuid() == 0
    command = ["mount", *options, what, str(folder)]
    if not is_root or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    try:
        yield folder
    finally:
        unmount(folder)


def small_disk(folder: Path, size: str = "4m", inodes: int = 0) -> contextlib.AbstractContextManager[Path]:
    """So many bytes and inodes (0: as many as it likes) in memory."""
    return mounted("tmpfs", folder, "-t", "tmpfs", "-o", f"size={size},nr_inodes={inodes}")


def unmount(folder: Path) -> None:
    """As `umount -l`: who has a file open there keeps it."""
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


@dataclass
class MisbehavingDisk:
    """A mounted disk and the line to the process that it is served by."""

    folder: Path
    process: asyncio.subprocess.Process

    async def fail(self, **errors: str) -> None:
        """From now on operations end with these errors, as in `write="EIO"`."""
        await self._be({"fail": errors})

    async def wait(self, **seconds: float) -> None:
        """From now on operations take so long, as in `fsync=3`."""
        await self._be({"wait": seconds})

    async def mend(self) -> None:
        """From now on it is as good as new."""
        await self._be({})

    async def _be(self, mood: dict[str, object]) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(mood).encode() + b"\n")
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await self.process.stdout.readline() == b"ok\n"


def _may_mount() -> bool:
    return os.geteuid() == 0 and Path("/dev/fuse").exists()


@contextlib.asynccontextmanager
async def misbehaving_disk(folder: Path) -> AsyncIterator[MisbehavingDisk]:
    """Mounted at `folder`; what is on it lies in a folder beside. Good until told otherwise."""
    if not _may_mount():
        pytest.skip("only root may mount a file system")
    beneath = folder.with_name(f"{folder.name}-beneath")
    for path in (folder, beneath):
        path.mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, _PROGRAM, beneath, folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    disk = MisbehavingDisk(folder, process)
    try:
        await until(lambda: process.returncode is not None or folder.is_mount())
        assert process.returncode is None, "FUSE doesn't work here"
        yield disk
    finally:
        if process.returncode is None:
            await disk.mend()
            unmount(folder)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 30)
        if process.returncode is None:
            process.kill()
            await process.wait()


class Ext4:
    """A real ext4 in a file, to be mounted, broken, checked and mounted again."""

    def __init__(self, image: Path, folder: Path) -> None:
        if not _may_mount():
            pytest.skip("only root may mount a file system")
        self._image = image
        self._folder = folder
        with image.open("wb") as file:
            file.truncate(32 << 20)
        _run("mkfs.ext4", "-q", "-F", str(image))
        folder.mkdir(parents=True)

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self._folder))

    def unmount(self) -> None:
        unmount(self._folder)

    def give_up(self) -> None:
        """What the kernel does when ext4 finds an error: from now on nothing is written any more."""
        _run("mount", "-o", "remount,abort", str(self._folder))

    def check(self) -> None:
        """What a person does then, once it is unmounted."""
        # 1: errors were found and corrected.
        assert subprocess.run(["e2fsck", "-fy", self._image], check=False, capture_output=True).returncode in {0, 1}


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
