"""Whether four uploads together keep a limit of 2 Mbit/s over a minute, counted by the server that takes them."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from bench.results import Result
from camfleet_contract.uploading import Uploading
from recorder.clock import SystemClock
from recorder.storage.interface import Upload
from recorder.storage.pace import Pace
from recorder.storage.patience import Patience
from recorder.storage.resumable import ResumableUpload
from recorder.uplink import Sent, Uplink

PARALLEL = 4
LIMIT_KBIT = 2000
MINUTE_SECONDS = 60.0
WARM_UP_SECONDS = 5.0
TOLERANCE = 0.05
SIZE_BYTES = 64 << 20
CHUNK_BYTES = 8 << 20


@dataclass
class Counter:
    """Takes chunks by the protocol of resumable uploads, and counts bytes as they come."""

    total: int = 0
    persisted: dict[str, int] = field(default_factory=dict)

    async def put(self, request: Request) -> Response:
        session = request.path_params["id"]
        with contextlib.suppress(ClientDisconnect):
            async for piece in request.stream():
                self.total += len(piece)
                self.persisted[session] = self.persisted.get(session, 0) + len(piece)
        return Response(status_code=308, headers={"Range": f"bytes=0-{self.persisted.get(session, 0) - 1}"})


async def rate_limit(folder: Path) -> list[Result]:
    """A minute after a few seconds' warm-up; the goal is the distance from the limit."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    file, counter, loop = folder / "segment.mp4", Counter(), asyncio.get_running_loop()
    with file.open("wb") as opened:
        opened.truncate(SIZE_BYTES)
    patience = Patience()
    pace = Pace(CHUNK_BYTES, patience.silence)
    uplink = Uplink(SystemClock(), Uploading(limit_kbit=LIMIT_KBIT))
    async with _serving(counter) as root, httpx.AsyncClient() as client:
        uploads = []
        for number in range(PARALLEL):
            sent = Sent()

            async def grant(wanted: int, sent: Sent = sent) -> int:
                return await uplink.grant(sent, lambda: False, wanted)

            upload = Upload(file, f"{number}", SIZE_BYTES, "AAAAAA==", grant=grant)
            run = ResumableUpload(client, f"{root}/{number}", upload, pace, patience).run(is_new=True)
            uploads.append(asyncio.create_task(run))
        await asyncio.sleep(WARM_UP_SECONDS)
        before, began = counter.total, loop.time()
        await asyncio.sleep(MINUTE_SECONDS)
        taken, seconds = counter.total - before, loop.time() - began
        for task in uploads:
            task.cancel()
        await asyncio.gather(*uploads, return_exceptions=True)
    value, limit = taken * 8 / seconds / 1_000_000, LIMIT_KBIT / 1000
    off = abs(value / limit - 1)
    return [
        Result("upload.rate_limit", round(value, 4), "Mbit/s", limit, round(value / limit, 4)),
        Result("upload.rate_limit.off", round(off, 4), "", goal=TOLERANCE, holds=off <= TOLERANCE),
    ]


@contextlib.asynccontextmanager
async def _serving(counter: Counter) -> AsyncIterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        app = Starlette(routes=[Route("/{id}", counter.put, methods=["PUT"])])
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
