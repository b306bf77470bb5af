"""A running control plane with one site, one camera and one recorder."""

import uuid
from collections.abc import AsyncIterator

import pytest_asyncio
from uuid_utils.compat import uuid7

from control_plane.service import RunningService
from tests.control_plane.local_client.footage import START, Footage, bucket_of
from tests.control_plane.local_client.sites import Place, Recorder, open_place
from tests.recorder.gcs import Gcs, gcs_server


@pytest_asyncio.fixture
async def place(server: RunningService) -> Place:
    return await open_place(server)


@pytest_asyncio.fixture
async def camera_id(place: Place) -> uuid.UUID:
    return await place.camera(username="user", password="p@ss/word", rtsp_path="/s1")


@pytest_asyncio.fixture
async def recorder(place: Place, camera_id: uuid.UUID) -> AsyncIterator[Recorder]:
    recorder = await place.recorder(camera_id)
    yield recorder
    await recorder.http.aclose()


@pytest_asyncio.fixture
async def stranger(place: Place) -> AsyncIterator[Recorder]:
    """Another recorder of the same site, without cameras."""
    recorder = await place.recorder(name="Gatehouse")
    yield recorder
    await recorder.http.aclose()


@pytest_asyncio.fixture
async def footage(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> Footage:
    if not place.service.services.store.is_brokered:
        bucket_of(place)
    recording_id = await recorder.register(camera_id, recording_id=str(uuid7()), started_at=START.isoformat())
    return Footage(place, recorder, camera_id, recording_id)


@pytest_asyncio.fixture
async def gcs() -> AsyncIterator[Gcs]:
    """A bucket; on leaving, nobody may have violated the protocol."""
    async with gcs_server() as gcs:
        yield gcs
