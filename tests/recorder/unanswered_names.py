"""Run in network and mount namespaces of its own: a camera is read whose name server never answers.

Prints, as JSON, what became of it by either client and of the look for its return, and how long each took.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from recorder.absence import returned
from recorder.errors import CameraError
from recorder.reader import Reader
from recorder.sources import open_stream
from recorder.stream import Transport

URL = "rtsp://yard.example/stream"
OPEN_SECONDS = 2.0
SYSTEM_SECONDS = 30
"""The system's patience with one question; it asks twice."""


def settle(folder: Path) -> socket.socket:
    """A name server that takes questions; close it and the system is told that there is none."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    names = folder / "resolv.conf"
    names.write_text(f"nameserver 127.0.0.1\noptions timeout:{SYSTEM_SECONDS} attempts:2\n", "ascii")
    subprocess.run(["mount", "--bind", names, Path("/etc/resolv.conf").resolve()], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    return server


def attempt(reader: Reader | None) -> str:
    """What it says."""
    try:
        open_stream(
            URL,
            reader,
            with_audio=True,
            transport=Transport.TCP,
            open_seconds=OPEN_SECONDS,
            read_seconds=1,
            is_wanted=lambda: True,
            on_playing=lambda: None,
        )
    except CameraError as error:
        return str(error)
    return "opened"


def look() -> str:
    """Whether it has returned."""
    wake = threading.Event()
    is_back = returned(URL, 2, wake, longest_seconds=2, on_away=lambda: None)
    return "back" if is_back else "away"


def timed(act: Callable[[], str]) -> tuple[str, float]:
    """What it came to, and in how many seconds."""
    began = time.monotonic()
    return act(), time.monotonic() - began


if __name__ == "__main__":
    with settle(Path(sys.argv[1])) as silent:
        told = {"own": timed(lambda: attempt(Reader())), "libav": timed(lambda: attempt(None)), "look": timed(look)}
        silent.settimeout(SYSTEM_SECONDS)
        facts = told | {"asked": len(silent.recv(512)), "threads": threading.active_count()}
        sys.stdout.write(json.dumps(facts))
