"""What the well-known recorders do about cameras that go away: an ffmpeg each, started again whenever it ends."""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from demo.processes import DemoError

RESTART_SECONDS = 1.0
SILENCE_SECONDS = 10
"""How long ffmpeg is told to wait for a silent camera."""
GOES_ON = timedelta(seconds=0.25)
"""What is newer than the camera's return by this much is no remainder of before."""
_LOOK_SECONDS = 0.02

Begun = Callable[[str, datetime], datetime | None]
"""When the footage of a camera began anew after a moment; None as long as it hasn't."""


@contextlib.asynccontextmanager
async def restart_loops(folder: Path, urls: dict[str, str]) -> AsyncIterator[Begun]:
    """All cameras, by name."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise DemoError("the reference needs ffmpeg: tests/install-system-packages installs it")
    loops = {name: _Loop(program, url, folder, name) for name, url in urls.items()}
    tasks = [asyncio.create_task(loop.run()) for loop in loops.values()]
    try:
        yield lambda name, since: loops[name].begun(since)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class _Loop:
    """One camera's."""

    program: str
    url: str
    folder: Path
    name: str
    newest: Path | None = None
    begun_at: datetime | None = None

    async def run(self) -> None:
        for number in range(1_000_000):
            await self._run_once(self.folder / f"{self.name}.{number}.ts")
            await asyncio.sleep(RESTART_SECONDS)

    def begun(self, since: datetime) -> datetime | None:
        if self.newest is None or self.begun_at is None:
            return None
        if self.begun_at > since:
            return self.begun_at
        written = datetime.fromtimestamp(self.newest.stat().st_mtime, UTC)
        return written if written > since + GOES_ON else None

    async def _run_once(self, file: Path) -> None:
        # A transport stream, packet by packet, so that its file tells when footage begins.
        process = await asyncio.create_subprocess_exec(
            self.program, "-nostdin", "-loglevel", "quiet", "-rtsp_transport", "tcp",
            "-timeout", str(SILENCE_SECONDS * 1_000_000), "-i", self.url,
            "-c", "copy", "-flush_packets", "1", "-f", "mpegts", str(file),
        )  # fmt: skip
        try:
            while process.returncode is None and not _size(file):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), _LOOK_SECONDS)
            if _size(file):
                self.newest, self.begun_at = file, datetime.now(UTC)
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
