"""Processes of a site that are killed and started again: recorder, control plane, bucket, database."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from control_plane.embedded import EmbeddedPostgres
from demo.processes import Child, DemoError, tail
from demo.ready import wait_until_healthy
from tests.children import bound

_UP_SECONDS = 60.0


@dataclass
class Victim:
    """A process of ours."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    health: str
    """A URL that answers 200 when it is up; or `host:port` that can be connected to."""
    _child: Child | None = field(default=None, init=False)

    async def start(self) -> None:
        """Until it is up. DemoError."""
        log = self.folder / f"{self.name.replace(' ', '-')}.log"
        with log.open("ab") as output:
            begins = output.tell()
            process = await asyncio.create_subprocess_exec(
                *bound(*self.command),
                env={name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
                | dict(self.env),
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._child = Child(self.name, process, log, begins)
        if self.health.startswith("http"):
            await wait_until_healthy(self.health, self._child, asyncio.Event(), seconds=_UP_SECONDS)
        else:
            await _wait_until_listening(self.health, self._child)

    async def kill(self) -> None:
        """`kill -9`."""
        child, self._child = self._child, None
        if child is not None:
            child.process.kill()
            await child.process.wait()

    async def stop(self) -> None:
        """In order."""
        child, self._child = self._child, None
        if child is not None:
            await child.end(seconds=20)

    def raise_if_ended(self) -> None:
        """DemoError if it ended by itself."""
        if self._child is not None:
            self._child.raise_if_ended()

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._child is None:
            raise DemoError(f"the {self.name} is not running")
        return self._child.process.pid


@dataclass
class Database:
    """The embedded PostgreSQL, which starts itself again as it does under the control plane."""

    server: EmbeddedPostgres
    chance: random.Random

    async def kill_postmaster(self) -> None:
        """`kill -9`; its other processes notice."""
        self._kill(await self.postmaster())

    async def kill_backend(self) -> None:
        """`kill -9` of one of its processes: PostgreSQL then restarts all of them, and recovers from its log."""
        self._kill(self.chance.choice(_children(await self.postmaster())))

    async def postmaster(self) -> int:
        """Its process id, once it is up. DemoError."""
        limit = time.monotonic() + _UP_SECONDS
        while time.monotonic() < limit:
            pid = self.server.pid
            if pid is not None and _children(pid):
                return pid
            await asyncio.sleep(0.05)
        raise DemoError("the database does not come up")

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # a short-lived worker
            os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    try:
        return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))
    except OSError:
        return []  # killed


def ours(program: str, *arguments: str) -> tuple[str, ...]:
    """One of our commands."""
    return (str(Path(sys.executable).parent / program), *arguments)


async def _wait_until_listening(address: str, child: Child) -> None:
    host, port = address.split(":")
    limit = time.monotonic() + _UP_SECONDS
    while time.monotonic() < limit:
        child.raise_if_ended()
        with socket.socket() as probe:
            probe.setblocking(False)
            try:
                await asyncio.get_running_loop().sock_connect(probe, (host, int(port)))
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return
    raise DemoError(f"the {child.name} does not listen; its log says:\n{tail(child)}")
