"""A disk that misbehaves on command: a FUSE file system over a folder, run as a process of its own.

`python misbehaving_disk.py FOLDER MOUNT_POINT` passes everything on to FOLDER. Each line on stdin is a JSON object that
says how it misbehaves from then on; the line `ok` comes back once it does. It ends when stdin does:

    {"fail": {"write": "EIO", "fsync": "EIO"}, "wait": {"write": 2.5}}

Operations: `write` (and truncate), `fsync` (of files and folders), `change` (create, rename, delete, make folders) and
`read` (open, look up, list). An empty object mends the disk. `wait` is in seconds, for each operation by itself.
"""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")

import mfusepy


@dataclass(frozen=True, slots=True)
class Mood:
    """How the disk is just now."""

    fail: dict[str, str] = field(default_factory=dict)
    wait: dict[str, float] = field(default_factory=dict)


class MisbehavingDisk(mfusepy.Operations):  # type: ignore[misc]  # the package has no types
    """Every call goes to the folder beneath, if the mood allows."""

    use_ns = True

    def __init__(self, root: Path) -> None:
        self.mood = Mood()
        self._root = str(root)

    def _suffer(self, operation: str) -> None:
        mood = self.mood
        time.sleep(mood.wait.get(operation, 0.0))
        if operation in mood.fail:
            raise OSError(getattr(errno, mood.fail[operation]), "the disk misbehaves")

    def _path(self, path: str) -> str:
        return self._root + path

    # read

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        self._suffer("read")
        found = os.lstat(self._path(path)) if fh is None else os.fstat(fh)
        kept = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_ino")
        times = {name: getattr(found, f"{name}_ns") for name in ("st_atime", "st_mtime", "st_ctime")}
        return {name: getattr(found, name) for name in kept} | times

    def readdir(self, path: str, fh: int) -> list[str]:
        self._suffer("read")
        return [".", "..", *os.listdir(self._path(path))]  # noqa: PTH208 - names are wanted, not paths

    def open(self, path: str, flags: int) -> int:
        self._suffer("read")
        # The kernel has made O_APPEND's offsets already.
        return os.open(self._path(path), flags & ~(os.O_APPEND | os.O_CREAT | os.O_EXCL))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        self._suffer("read")
        return os.pread(fh, size, offset)

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._path(path))
        names = (
            "f_bavail",
            "f_bfree",
            "f_blocks",
            "f_bsize",
            "f_favail",
            "f_ffree",
            "f_files",
            "f_frsize",
            "f_namemax",
        )
        return {name: getattr(found, name) for name in names}

    # write

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        self._suffer("write")
        return os.pwrite(fh, data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._suffer("write")
        os.truncate(self._path(path) if fh is None else fh, length)
        return 0

    # fsync

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        self._suffer("fsync")
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        self._suffer("fsync")
        return 0

    # change

    def create(self, path: str, mode: int, fi: int | None = None) -> int:
        self._suffer("change")
        return os.open(self._path(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def mkdir(self, path: str, mode: int) -> int:
        self._suffer("change")
        Path(self._path(path)).mkdir(mode)
        return 0

    def unlink(self, path: str) -> int:
        self._suffer("change")
        Path(self._path(path)).unlink()
        return 0

    def rmdir(self, path: str) -> int:
        self._suffer("change")
        Path(self._path(path)).rmdir()
        return 0

    def rename(self, old: str, new: str) -> int:
        self._suffer("change")
        Path(self._path(old)).rename(self._path(new))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._suffer("change")
        Path(self._path(path)).chmod(mode)
        return 0

    def utimens(self, path: str, times: tuple[int, int]) -> int:
        self._suffer("change")
        os.utime(self._path(path), ns=times)
        return 0

    def release(self, path: str, fh: int) -> int:
        os.close(fh)
        return 0


def _obey(disk: MisbehavingDisk, mount_point: str) -> None:
    for line in sys.stdin:
        disk.mood = Mood(**json.loads(line))
        sys.stdout.write("ok\n")
        sys.stdout.flush()
    # Whoever gave orders is gone, perhaps killed: neither the mount nor this process may stay behind.
    disk.mood = Mood()
    subprocess.run(["umount", "-l", mount_point], check=False, capture_output=True)
    os._exit(0)


def main() -> None:
    folder, mount_point = sys.argv[1:]
    disk = MisbehavingDisk(Path(folder))
    threading.Thread(target=_obey, args=(disk, mount_point), daemon=True).start()
    # One thread an operation: what waits holds up nothing else. Nothing is cached, so that every fault is felt.
    mfusepy.FUSE(
        disk, mount_point, foreground=True, fsname="misbehaving", attr_timeout=0, entry_timeout=0, max_threads=64
    )


if __name__ == "__main__":
    main()
