"""The whole recorder on a disk that fails or takes seconds: it stays up, says what is wrong, and goes on by itself."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camfleet_contract.heartbeats import Heartbeat
from tests.ports import free_port
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.disks import MisbehavingDisk, misbehaving_disk
from tests.recorder.process import answering, environment, recorder
from tests.recorder.rig import always, camera, config
from tests.recorder.serving import serving

STOP_SECONDS = 20
"""Whoever takes longer is killed, as deploy/recorder.service has it."""


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[MisbehavingDisk]:
    """Holds all that the recorder has: footage, database, log and cache."""
    async with misbehaving_disk(tmp_path / "base") as disk:
        yield disk


@asynccontextmanager
async def cameras_of(fake: FakeControlPlane) -> AsyncIterator[CameraSimulator]:
    """Two cameras that are always due."""
    specs = [CameraSpec(name="yard", audio=AudioCodec.AAC), CameraSpec(name="gate", audio=AudioCodec.NONE)]
    async with CameraSimulator(specs, port=0) as simulator:
        listed = [camera(simulator.url(spec.name), spec.name) for spec in specs]
        fake.document = config(*(always(one) for one in listed)).model_dump_json().encode()
        yield simulator


def settings(folder: Path, backend: str) -> dict[str, str]:
    (store := folder / "store").mkdir()
    more = {"STORAGE_URL": f"file://{store}", "HEARTBEAT_INTERVAL_SECONDS": "1"}
    return environment(folder, backend, TOKEN, free_port(), **more)


@pytest.fixture
async def simulator(fake: FakeControlPlane) -> AsyncIterator[CameraSimulator]:
    async with cameras_of(fake) as simulator:
        yield simulator


def codes(heartbeat: Heartbeat) -> set[str]:
    return {problem.code for problem in heartbeat.problems or []}


async def test_a_recorder_that_starts_on_a_broken_disk_stays_up_says_so_and_records_once_it_works(
    tmp_path: Path, http_client: httpx.AsyncClient
) -> None:
    """Three recorders at the same time, each with a disk that is broken in its own way."""
    async with AsyncExitStack() as disks:
        each = {
            error: await disks.enter_async_context(misbehaving_disk(tmp_path / error / "base"))
            for error in ("EIO", "EROFS", "ENOSPC")
        }
        async with asyncio.TaskGroup() as tasks:
            for error, disk in each.items():
                tasks.create_task(start_and_mend(tmp_path / error, disk, http_client, error), name=error)


async def start_and_mend(folder: Path, disk: MisbehavingDisk, http_client: httpx.AsyncClient, error: str) -> None:
    fake = FakeControlPlane()
    await disk.fail(write=error, change=error, fsync=error)
    async with (
        cameras_of(fake),
        serving(fake.app()) as backend,
        recorder(folder, settings(folder, backend)) as running,
    ):
        await answering(running, http_client)
        await fake.until(lambda: fake.heartbeats and "folder_unusable" in codes(fake.heartbeats[-1]))
        shown = (await http_client.get(f"{running.status_url}/status")).json()
        assert shown["status"] == "degraded"
        assert f"{folder / 'base'} can't be used" in shown["problems"][0]
        refused = await http_client.post(f"{running.status_url}/manual-record")
        assert refused.status_code == 503
        assert (await http_client.get(f"{running.status_url}/health")).json()["status"] == "healthy"

        await disk.mend()
        await fake.until(lambda: len({offer.camera_id for offer in fake.offers if offer.id in fake.stored}) == 2)
        await fake.until(lambda: codes(fake.heartbeats[-1]) == set())
        assert (await http_client.get(f"{running.status_url}/status")).json()["status"] == "running"
        assert await running.stop() == 0
    logged = [json.loads(line) for line in (folder / "stderr.log").read_text().splitlines()]
    events = [line["event"] for line in logged]
    assert events.count("folder_unusable") == events.count("folder_usable_again") == 1
    assert [line for line in logged if "exception" in line] == []
    assert "folder_usable_again" in (folder / "base/logs/client.log").read_text(), "the log begins, too"


async def test_a_disk_that_takes_seconds_delays_no_sign_of_life_and_no_stop(
    tmp_path: Path,
    disk: MisbehavingDisk,
    simulator: CameraSimulator,
    fake: FakeControlPlane,
    backend: str,
    http_client: httpx.AsyncClient,
) -> None:
    variables = settings(tmp_path, backend)
    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: len(fake.stored) >= 2)
        await disk.wait(write=8, fsync=8, change=8, read=8)
        slow_from = len(fake.heartbeats)
        await fake.until(lambda: any("disk_slow" in codes(beat) for beat in fake.heartbeats))
        shown = (await http_client.get(f"{running.status_url}/status", timeout=60)).json()
        assert any("has not answered" in problem for problem in shown["problems"])
        await fake.until(lambda: len(fake.heartbeats) >= slow_from + 3)
        clocks = [beat.clock for beat in fake.heartbeats[slow_from:] if beat.clock]
        assert max((later - earlier).total_seconds() for earlier, later in pairwise(clocks)) < 8

        await disk.wait(write=2, fsync=2, change=2, read=2)
        began = time.monotonic()
        await running.stop()
        assert time.monotonic() - began < STOP_SECONDS
    await disk.mend()
    told = set(fake.stored)
    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: len({offer.camera_id for offer in fake.offers if offer.id in fake.stored - told}) == 2)
        assert await running.stop() == 0
    assert not await asyncio.to_thread(lambda: list((tmp_path / "base/recordings").rglob("*.part")))
