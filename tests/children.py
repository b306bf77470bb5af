"""Processes that tests start: none of them outlives a test run that was killed."""

import shutil
from pathlib import Path

_SETPRIV = shutil.which("setpriv")


def bound(*command: str | Path) -> list[str]:
    """The command, to be killed by the kernel when the thread that starts it is gone; as it is where that can't be."""
    prefix = [_SETPRIV, "--pdeathsig", "KILL", "--"] if _SETPRIV else []
    return [*prefix, *map(str, command)]
