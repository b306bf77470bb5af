"""A data disk whose power can be cut: an ext4 file system in an image file, mounted by a loop device (root, Linux)."""

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

_SIZE_BYTES = 256 << 20
_SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN of linux/ext4.h: _IOR('X', 125, __u32)."""
_NO_LOG_FLUSH = (2).to_bytes(4, "little")
"""EXT4_GOING_FLAGS_NOLOGFLUSH: not even the journal is written any more."""


class NoLoopDevice(Exception):
    """This machine, or this user, can't mount a file system of its own; the text says why."""


class LoopDisk:
    """Mounted at `folder`."""

    def __init__(self, image: Path, folder: Path) -> None:
        self.folder = folder
        self._image = image

    def cut_power(self) -> None:
        """From now on nothing reaches the disk, at whatever stage it is: data, metadata or journal.

        What the kernel had handed to the loop device by then is what a disk would have. The rest, all pages that were
        not written back, is gone with the next `power_on`.
        """
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, _NO_LOG_FLUSH)
        finally:
            os.close(descriptor)

    def power_on(self) -> None:
        """Mount what the disk has; the kernel replays its journal. Nobody may use the folder any more."""
        _run("umount", str(self.folder))
        self.mount()

    def mount(self) -> None:
        _run("mount", "-t", "ext4", "-o", "loop", str(self._image), str(self.folder))


@contextlib.contextmanager
def loop_disk(memory: Path, folder: Path) -> Iterator[LoopDisk]:
    """A fresh disk at `folder`. NoLoopDevice if it can't be had.

    Its image is a sparse file in memory, at `memory`: how long this machine's own disk takes is no matter.
    """
    if os.geteuid() != 0:
        raise NoLoopDevice("only root may mount a file system")
    with contextlib.ExitStack() as mounted:
        for each in (memory, folder):
            each.mkdir(parents=True, exist_ok=True)
        try:
            _run("mount", "-t", "tmpfs", "-o", f"size={_SIZE_BYTES}", "tmpfs", str(memory))
            mounted.callback(_run, "umount", "-l", str(memory))
            with (memory / "image").open("wb") as file:
                file.truncate(_SIZE_BYTES)
            _run("mkfs.ext4", "-q", "-F", str(memory / "image"))
            disk = LoopDisk(memory / "image", folder)
            disk.mount()
            mounted.callback(_run, "umount", "-l", str(folder))
        except (OSError, subprocess.CalledProcessError) as error:
            told = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
            raise NoLoopDevice(f"no file system of its own can be mounted here: {told}") from error
        yield disk


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
