"""A running control plane with one site, one camera and one recorder."""

import uuid
from collections.abc import AsyncIterator

import pytest_asyncio

from control_plane.service import RunningService
from tests.control_plane.local_client.sites import Place, Recorder, open_place


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
