"""What the file postmaster.pid of a PostgreSQL data folder tells, and ending a server that was left behind."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger()

# Line numbers as in PostgreSQL's src/include/utils/pidfile.h, counted from 0.
_PID, _PORT, _STATUS = 0, 3, 7


@dataclass(frozen=True, slots=True)
class PostmasterState:
    """A server as it describes itself."""

    pid: int
    port: int
    is_ready: bool


def read(cluster: Path) -> PostmasterState | None:
    """Read postmaster.pid; None if there is none or it is only half written."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
        status = lines[_STATUS].strip() if len(lines) > _STATUS else ""
        return PostmasterState(int(lines[_PID]), int(lines[_PORT]), status == "ready")
    except (OSError, ValueError, IndexError):
        return None


def is_running(pid: int, cluster: Path) -> bool:
    """Whether `pid` is the server of `cluster`, and not some program that got its number after a restart."""
    proc = Path("/proc/self").exists()
    if proc:
        try:
            # A server works in its data folder.
            return Path(f"/proc/{pid}/cwd").resolve(strict=True) == cluster.resolve()
        except OSError:
            return False
    ps = shutil.which("ps") or "/bin/ps"
    command = [ps, "-ww", "-o", "command=", "-p", str(pid)]
    return str(cluster) in subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603 - no input of others


async def stop_earlier(cluster: Path, limit_seconds: float) -> None:
    """End the server that a killed owner left running, and remove the note of one that is gone.

    Only for the owner of the cluster. PostgreSQL judges a left-over note by its process number alone, and refuses to
    start where another program has got that number since.
    """
    note = cluster / "postmaster.pid"
    if not note.exists():
        return
    state = read(cluster)
    if state is not None and is_running(state.pid, cluster):
        log.warning("embedded_postgres_left_running", pid=state.pid)
        for sign in (signal.SIGINT, signal.SIGQUIT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(state.pid, sign)
            if await _gone(state.pid, cluster, limit_seconds):
                break
        else:
            raise TimeoutError(f"the PostgreSQL with process id {state.pid} in {cluster} does not stop")
    note.unlink(missing_ok=True)


async def _gone(pid: int, cluster: Path, limit_seconds: float) -> bool:
    deadline = time.monotonic() + limit_seconds
    while is_running(pid, cluster):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True
