"""What recorders call all the time costs one round trip to PostgreSQL, however much stands in the answer."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from control_plane.service import running_service
from control_plane.settings import Settings
from tests.control_plane.local_client.round_trips import Wire, counted_wire
from tests.control_plane.local_client.sites import Place, Recorder, open_place
from tests.control_plane.tasks import in_a_task


@pytest_asyncio.fixture
async def wire(database: str) -> AsyncIterator[Wire]:
    async with counted_wire(database) as wire:
        yield wire


@pytest_asyncio.fixture
async def place(wire: Wire, settings: Settings) -> AsyncIterator[Place]:
    through = settings.model_copy(update={"database_url": SecretStr(wire.url)})
    async with in_a_task(running_service(through)) as service:
        async with asyncio.timeout(25):
            await service.services.config_changes.until_listening()
        yield await open_place(service)


async def asked(recorder: Recorder, path: str, body: Any, etag: str | None = None) -> int:
    headers = {"If-None-Match": etag} if etag else {}
    answer = await (recorder.get(path, headers=headers) if body is None else recorder.post(path, json=body))
    return answer.status_code


@pytest.mark.parametrize("path", ["schedules", "cameras", "config"])
async def test_a_document_costs_one_round_trip_with_news_and_without(
    wire: Wire, place: Place, camera_id: uuid.UUID, recorder: Recorder, path: str
) -> None:
    for number in range(20):
        await place.schedule(camera_id, f"Schedule {number}")
    etag = (await recorder.get(path)).headers["ETag"]  # read and remembered
    before = wire.round_trips
    assert await asked(recorder, path, None) == 200
    assert await asked(recorder, path, None, etag) == 304
    assert wire.round_trips - before == 2


async def test_a_heartbeat_and_a_report_cost_one_round_trip(
    wire: Wire, place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    revision = (await recorder.get("config")).json()["revision"]
    recording_id = await recorder.register(camera_id)
    head = {
        "camera_id": str(camera_id),
        "chain_id": str(uuid.uuid4()),
        "segment_id": str(uuid.uuid4()),
        "sha256": "9f" * 32,
        "link_sha256": "9f" * 32,
        "waiting_from": 1,
    }
    calls: list[tuple[str, dict[str, Any]]] = [
        ("heartbeat", {"active_recordings": 1}),
        ("heartbeat", {"config_revision": revision, "chain_heads": [head | {"sequence": 7}]}),
        ("recordings/status", {"recording_id": str(recording_id), "status": "recording"}),
        ("recordings/status", {"recording_id": str(recording_id), "status": "recording", "frames_recorded": 9}),
        ("recordings/status", {"recording_id": str(recording_id), "status": "completed"}),
    ]
    for path, body in calls:
        # The first of each connection to PostgreSQL prepares the statement, which is another round trip.
        assert await asked(recorder, path, body) == 200
        before = wire.round_trips
        assert await asked(recorder, path, body) == 200
        assert wire.round_trips - before == 1, (path, body)
    assert (await place.row("SELECT sequence FROM chain_heads"))["sequence"] == 7
    assert (await place.row("SELECT status FROM recordings"))["status"] == "completed"


async def test_many_at_once_share_their_round_trips(wire: Wire, place: Place, recorder: Recorder) -> None:
    assert await asked(recorder, "heartbeat", {}) == 200
    before = wire.round_trips
    assert await asyncio.gather(*(asked(recorder, "heartbeat", {}) for _ in range(60))) == [200] * 60
    assert wire.round_trips - before < 60
