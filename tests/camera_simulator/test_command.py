"""The command, run as others run it."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import pytest

from camera_simulator import AudioCodec, CameraSpec, Clock, VideoCodec
from camera_simulator.options import parse_camera
from tests.camera_simulator.viewing import watch

COMMAND = Path(sys.executable).with_name("camera-simulator")
LIMIT_SECONDS = 60


@dataclass(frozen=True)
class Running:
    process: asyncio.subprocess.Process
    cameras: dict[str, str]
    control: str

    async def get(self, path: str) -> Any:
        async with httpx.AsyncClient(timeout=LIMIT_SECONDS) as client:
            return (await client.get(self.control + path)).raise_for_status().json()

    async def post(self, path: str, body: object, content_type: str = "application/json") -> httpx.Response:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with httpx.AsyncClient(timeout=LIMIT_SECONDS) as client:
            return await client.post(self.control + path, content=data, headers={"Content-Type": content_type})


@pytest.fixture
async def running(media_cache: Path) -> AsyncIterator[Running]:
    async with _served(media_cache) as served:
        yield served


@pytest.fixture(scope="module")
async def unharmed(media_cache: Path) -> AsyncIterator[Running]:
    """One process for all orders that must change nothing."""
    async with _served(media_cache) as served:
        yield served


@asynccontextmanager
async def _served(media_cache: Path, *more: str) -> AsyncIterator[Running]:
    cameras = ["--camera", "yard:loop_seconds=1,audio=aac", "--camera", "a/b:loop_seconds=1,user=me"]
    options = ["--port", "0", "--control-port", "0", "--cache", str(media_cache), *more]
    process = await asyncio.create_subprocess_exec(
        COMMAND, "serve", *cameras, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            ready = json.loads(await process.stdout.readline())
        yield Running(process, {each["name"]: each["url"] for each in ready["cameras"]}, ready["control"])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_faults_are_ordered_on_loopback_unless_told_otherwise(unharmed: Running, media_cache: Path) -> None:
    assert urlsplit(unharmed.control).hostname == "127.0.0.1"
    async with _served(media_cache, "--control-host", "127.0.0.2") as elsewhere:
        assert urlsplit(elsewhere.control).hostname == "127.0.0.2"
        assert await elsewhere.get("/cameras")


async def test_it_serves_until_told_to_end(running: Running) -> None:
    assert len((await watch(running.cameras["yard"], 5)).digests) == 5
    sent = (await running.get("/cameras"))[0]["sent"]["video"]
    watching = asyncio.create_task(watch(running.cameras["yard"], 100_000))
    while (await running.get("/cameras"))[0]["sent"]["video"] < sent + 20:
        assert not watching.done()
    running.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(60):
        assert await running.process.wait() == 0
    assert (await watching).digests


async def test_faults_come_by_http(running: Running) -> None:
    answer = await running.post("/cameras/yard/fault", {"fault": "refuse", "status": 404})
    assert answer.json()["fault"] == "refusing"
    with pytest.raises(av.HTTPNotFoundError):
        await watch(running.cameras["yard"])
    await running.post("/cameras/yard/fault", {"fault": "resume"})
    await running.post("/cameras/yard/fault", {"fault": "change_media", "width": 320, "height": 180})
    assert len((await watch(running.cameras["yard"], 5)).digests) == 5
    assert (await running.post("/cameras/a%2Fb/fault", {"fault": "stall"})).json()["fault"] == "stalled"


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status"),
    [
        ("/cameras/nobody/fault", {"fault": "drop"}, "application/json", 404),
        ("/elsewhere", {"fault": "drop"}, "application/json", 404),
        ("/cameras", {}, "application/json", 405),
        ("/cameras/yard/fault", {"fault": "drop"}, "text/plain", 415),
        ("/cameras/yard/fault", b"{", "application/json", 400),
        ("/cameras/yard/fault", b"\xff\x00", "application/json", 400),
        ("/cameras/yard/fault", [], "application/json", 400),
        ("/cameras/yard/fault", {"fault": "explode"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "__init__"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": ["drop"]}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "jump"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "jump", "seconds": "x"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "refuse", "status": 200}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "change_password", "word": "x"}, "application/json", 400),
        ("/cameras/yard/fault", b'{"fault": "jump", "seconds": NaN}', "application/json", 400),
        ("/cameras/yard/fault", {"fault": "jump", "seconds": 1e300}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "change_media", "width": "wide"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "change_media", "user": "x"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "change_media", "file": "/not/there"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "change_media", "width": 1}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "change_media", "codec": "mpeg2"}, "application/json", 400),
        ("/cameras/yard/fault", {"fault": "refuse_connections"}, "application/json", 400),
    ],
)
async def test_bad_orders_are_refused_with_the_reason(
    unharmed: Running, path: str, body: object, content_type: str, status: int
) -> None:
    before = await unharmed.get("/cameras")
    answer = await unharmed.post(path, body, content_type)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert await unharmed.get("/cameras") == before


@pytest.mark.parametrize(
    "wrong", ["yard:codec=mpeg2", "yard:nothing", "yard:fps=x", "yard:nonsense=1", "yard:file=/not/there", " "]
)
async def test_a_wrong_camera_is_explained(wrong: str) -> None:
    process = await asyncio.create_subprocess_exec(
        COMMAND, "serve", "--camera", wrong, "--port", "0", stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert errors.decode().startswith("camera-simulator: ")
    assert "Traceback" not in errors.decode()


def test_a_camera_is_written_as_name_and_pairs() -> None:
    text = "yard:codec=h265,audio=pcm_mulaw,clock=live,fps=12,own_port=true,rtcp_interval_seconds=0.5,user=me"
    assert parse_camera(text, "default", "secret") == CameraSpec(
        name="yard",
        codec=VideoCodec.H265,
        audio=AudioCodec.PCM_MULAW,
        clock=Clock.LIVE,
        fps=12,
        own_port=True,
        rtcp_interval_seconds=0.5,
        user="me",
        password="secret",
        sent_limit=0,
    )
