"""The command `control-plane` as a process of its own, as an administrator runs it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.ports import free_port

COMMAND = Path(sys.executable).with_name("control-plane")
LIMIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    code: int
    output: str
    errors: str


async def run_command(*arguments: str, settings: Mapping[str, str], text: str = "") -> Finished:
    """Run one command to its end."""
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        env=environment(settings),
        cwd="/",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        output, errors = await process.communicate(text.encode())
    return Finished(process.returncode or 0, output.decode(), errors.decode())


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the tester's own settings."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "LANG"}}
    return {**kept, **settings}


@dataclass(slots=True)
class Serving:
    """`control-plane serve`, running."""

    process: asyncio.subprocess.Process
    url: str
    log: Path

    async def healthy(self) -> None:
        """Wait until it is ready, or has ended."""
        async with asyncio.timeout(LIMIT_SECONDS), httpx.AsyncClient() as client:
            while self.process.returncode is None:
                try:
                    if (await client.get(f"{self.url}/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError(f"it ended: {self.log.read_text()}")

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.process.wait()

    async def logs(self, text: str) -> None:
        """Wait until it has logged that."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while text not in self.log.read_text():
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.05)


@asynccontextmanager
async def serving(folder: Path, *, settings: Mapping[str, str]) -> AsyncIterator[Serving]:
    """`control-plane serve` on a free port, told to end at the end if it still runs."""
    port = free_port()
    log = folder / f"serve-{port}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            COMMAND, "serve", env=environment({**settings, "PORT": str(port)}), cwd="/", stdout=output, stderr=output
        )
    try:
        yield Serving(process, f"http://127.0.0.1:{port}", log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), 30)
            except TimeoutError:
                process.kill()
                await process.wait()
