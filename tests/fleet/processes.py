"""Both services as real processes, to be started, killed and started again."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx

from tests.children import bound

COMMANDS = Path(sys.executable).parent
Answer = TypeVar("Answer")


async def until(what: str, question: Callable[[], Awaitable[Answer | None]], *, seconds: float = 90.0) -> Answer:
    """Ask until there is an answer that is not empty, and return it."""
    limit = time.monotonic() + seconds
    while True:
        answer = await question()
        if answer:
            return answer
        assert time.monotonic() < limit, f"{what}: not within {seconds:.0f} s"
        await asyncio.sleep(0.05)


async def is_past(instant: datetime) -> bool:
    """Whether it is later than that."""
    return datetime.now(UTC) >= instant


def moment(text: str) -> datetime:
    """An instant as the wire writes it."""
    return datetime.fromisoformat(text)


@dataclass(slots=True)
class Service:
    """One of our commands as a process of its own."""

    command: list[str]
    env: dict[str, str]
    port: int
    health: str
    folder: Path
    is_service: bool = False
    """Started as systemd does it, so that it may end in order to be started again."""
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace")

    @property
    def _log_file(self) -> Path:
        return self.folder / f"{self.command[0]}.log"

    async def start(self) -> None:
        """Start it and wait until it is healthy."""
        as_service = ["sh", "-c", 'SYSTEMD_EXEC_PID=$$ exec "$0" "$@"'] if self.is_service else []
        with self._log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *bound(*as_service, COMMANDS / self.command[0], *self.command[1:]),
                env={"PATH": os.environ["PATH"]} | self.env,
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        await until(f"{self.command} is healthy", self._is_healthy)

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; return the exit code."""
        return await self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Wait until it ends by itself; return the exit code."""
        assert self._process is not None
        code = await asyncio.wait_for(self._process.wait(), 90)
        self._process = None
        return code

    async def status(self) -> dict[str, Any]:
        """The recorder's /status."""
        async with httpx.AsyncClient() as http:
            body: dict[str, Any] = (await http.get(f"{self.url}/status")).raise_for_status().json()
            return body

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        return await asyncio.wait_for(process.wait(), 60)

    async def _is_healthy(self) -> bool:
        assert self._process is not None
        assert self._process.returncode is None, self.log
        async with httpx.AsyncClient() as http:
            try:
                return (await http.get(self.url + self.health)).status_code == httpx.codes.OK
            except httpx.TransportError:
                return False
