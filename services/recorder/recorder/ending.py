"""How the program is asked to end, and that it then ends in time."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

# Within the 10 s that a stop may take: the cameras seal in 8, the rest is for the last reports.
HARD_STOP_SECONDS = 9.5
_FIRST_OF_CONTAINERS = frozenset({"docker-init", "tini", "dumb-init", "catatonit"})
"""They end with what they run, and the container with them."""


class Ending:
    """Asked for by a signal, or from within. Belongs to the event loop."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.is_restart = False
        """Whether the recorder is to be started again at once."""

    def on_signals(self) -> None:
        """SIGTERM and SIGINT ask for it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ask)

    def ask(self, *, restart: bool = False) -> None:
        """From now on the process ends in time, even if a disk hangs for ever. Whoever asks first is heard."""
        if not self.asked.is_set():
            self.is_restart = restart
            self.asked.set()
            deadline = threading.Timer(HARD_STOP_SECONDS, _give_up_waiting)
            deadline.daemon = True
            deadline.start()


def is_started_again(environment: Mapping[str, str], process_id: int, parent_id: int, first_process: str) -> bool:
    """Whether a service manager runs this process, and would start it again: systemd, or that of containers.

    `first_process` is the name of process 1.
    """
    if process_id == 1:
        return True
    if environment.get("SYSTEMD_EXEC_PID") == str(process_id):
        return True
    # Before version 248 systemd doesn't say whom it started; what is inherited in a terminal has another parent.
    return parent_id == 1 and ("INVOCATION_ID" in environment or first_process in _FIRST_OF_CONTAINERS)


def first_process() -> str:
    """The name of process 1; empty where the system doesn't tell."""
    try:
        return Path("/proc/1/comm").read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def _give_up_waiting() -> None:
    sys.stderr.write("recorder: something hangs; ending without it. Open segments are recovered at the next start.\n")
    sys.stderr.flush()
    os._exit(1)
