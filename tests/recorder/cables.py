"""A simulated camera at the end of a real cable, which can be pulled. Only root may lay one."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.ethernet import Cable, NoEthernetError, ethernet
from tests.children import bound

_START_SECONDS = 90


@dataclass(frozen=True, slots=True)
class CabledCamera:
    """A camera that serves."""

    url: str
    cable: Cable


@asynccontextmanager
async def cabled_camera(spec: str) -> AsyncIterator[CabledCamera]:
    """One as `spec` says; skips the test where a cable can't be laid."""
    try:
        with ethernet(1) as link:
            simulator = (str(Path(sys.executable).with_name("camera-simulator")), "serve", "--camera", spec)
            command = link.inside(*simulator, "--host", link.cables[0].address, "--port", "0")
            process = await asyncio.create_subprocess_exec(*bound(*command), stdout=asyncio.subprocess.PIPE)
            try:
                assert process.stdout is not None
                ready = json.loads(await asyncio.wait_for(process.stdout.readline(), _START_SECONDS))
                yield CabledCamera(ready["cameras"][0]["url"], link.cables[0])
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
    except NoEthernetError as error:
        pytest.skip(str(error))
