"""The spool's folder: where its files are, who may use it, and whether the right disk is mounted there."""

import fcntl
import os
from pathlib import Path
from uuid import UUID

from recorder.errors import DiskMissing, SpoolBusy

RECORDINGS = "recordings"
_MARKER = ".camfleet-recorder"


class Lock:
    """Held by one recorder at a time; the kernel lets go of it when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(self._descriptor)
            raise SpoolBusy(
                f"{path.parent} is in use by another recorder (pid {holder}): "
                "stop that one, or set RECORDING_BASE_DIR to a folder of its own."
            ) from error
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:
            os.close(
                self._descriptor
            )  # else the next try, on a disk that has room again, would be shut out by this one
            raise

    def release(self) -> None:
        os.close(self._descriptor)


class Marker:
    """A file on the data disk that says whose it is.

    The rows are in the base folder, the marker is with the footage in `recordings/`, which is where a data disk is to
    be mounted. If the disk isn't mounted, the rows are there and the marker is not: what looks like an empty folder is
    the boot disk.
    """

    def __init__(self, base: Path, recorder_id: UUID) -> None:
        self._path = base / RECORDINGS / _MARKER
        self._recorder_id = recorder_id

    def check(self) -> None:
        """Raises DiskMissing unless the marker is there and ours."""
        try:
            text = self._path.read_text("utf-8").strip()
        except FileNotFoundError:
            raise DiskMissing(
                f"{self._path} is missing, yet the spool knows of footage there: the data disk is not mounted at "
                f"{self._path.parent}. Nothing is recorded until it is. If the disk was replaced and the footage on "
                "the old one is given up, run `recorder accept-disk`."
            ) from None
        except OSError as error:
            raise DiskMissing(f"The data disk can't be read: {error}") from error
        if text != str(self._recorder_id):
            raise DiskMissing(
                f"The disk at {self._path.parent} belongs to another recorder ({text}): mount the right one, or give "
                "this recorder a folder of its own."
            )

    def exists(self) -> bool:
        """Whether the disk is anybody's: a marker that says nothing was not written to its end."""
        return self._path.exists() and self._path.stat().st_size > 0

    def write(self) -> None:
        """Claim the disk. Durable when it returns."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f"{_MARKER}.part")
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(f"{self._recorder_id}\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        sync_folder(self._path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
