"""What the demo needs before it starts: a folder of its own and two free ports."""

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from control_plane.embedded.grounds import discard
from demo.processes import DemoError


@contextlib.contextmanager
def ground(path: Path, *, empty: bool) -> Iterator[Path]:
    """The folder for everything, ours until the end. Raise DemoError if it can't be had.

    With `empty`, what an earlier demo left there is removed.
    """
    folder = path.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise DemoError(f"{folder} can't be used ({error.strerror}): choose another folder with --data") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if empty:
            clear(folder)
        yield folder
    except BlockingIOError:
        raise DemoError(f"another demo runs in {folder}: end it, or choose another folder with --data") from None
    finally:
        os.close(descriptor)


def clear(folder: Path) -> None:
    """Remove everything in `folder`, but not the folder, which is locked."""
    # Where root runs it, the embedded database may live elsewhere.
    discard(folder / "control-plane")
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def require_free(ports: Mapping[str, int]) -> None:
    """Raise DemoError if something already listens on one of `ports` (by option), or two of them are the same."""
    for option, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise DemoError(f"port {port} can't be used ({error.strerror}): choose another with {option}") from None
    if len(set(ports.values())) < len(ports):
        raise DemoError(f"{' and '.join(ports)} must be different ports")
