"""The demo's child processes: started with a log file each, ended in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

COMMANDS = Path(sys.executable).parent


class DemoError(Exception):
    """The demo can't go on; the text says what happened and what to do."""


class InterruptedDemoError(DemoError):
    """Somebody pressed Ctrl-C before everything was up."""


@dataclass(frozen=True, slots=True)
class Child:
    """One running service."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    log_begins: int = 0
    """Where in `log` its own lines begin: an earlier run in the same folder may have left others."""

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return self.log.read_bytes()[self.log_begins :].decode(errors="replace")

    async def end(self, *, seconds: float) -> None:
        """Ask it to end, wait up to `seconds`, then kill it."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), seconds)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
            print(f"the {self.name} did not end within {seconds:.0f} s and was killed; see {self.log}")

    def raise_if_ended(self) -> None:
        """Raise DemoError with the end of the log if it is not running any more."""
        if self.process.returncode is not None:
            raise DemoError(f"the {self.name} ended with code {self.process.returncode}; its log says:\n{tail(self)}")


async def start(name: str, *command: str, env: Mapping[str, str], folder: Path) -> Child:
    """Start `command` (one of ours) with its output in `folder`/NAME.log."""
    log = folder / f"{name.replace(' ', '-')}.log"
    with log.open("ab") as output:
        begins = output.tell()
        process = await asyncio.create_subprocess_exec(
            COMMANDS / command[0],
            *command[1:],
            env=_environment(env),
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C in a terminal goes to the whole process group; the demo wants to end its children in order.
            start_new_session=True,
        )
    return Child(name, process, log, begins)


async def call(*command: str, env: Mapping[str, str], folder: Path, text: str = "") -> str:
    """Run `command` (one of ours) to its end with `text` as its input, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        COMMANDS / command[0],
        *command[1:],
        env=_environment(env),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    printed, complaint = await asyncio.wait_for(process.communicate(text.encode()), 60)
    if process.returncode != 0:
        raise DemoError(f"{' '.join(command)} failed:\n{complaint.decode(errors='replace')}")
    return printed.decode()


def tail(child: Child, lines: int = 15) -> str:
    """The last lines that it printed."""
    return "\n".join(child.printed.splitlines()[-lines:])


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without settings of ours: the demo's own must not be changed by what is exported."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "USER") if name in os.environ}
    return kept | dict(extra)
