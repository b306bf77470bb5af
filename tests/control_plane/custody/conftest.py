"""The same footage in a folder and in a bucket."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from control_plane.database import create_engine, create_sessions
from control_plane.local_client.config_changes import ConfigChanges
from control_plane.security.secrets import SecretBox
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.stores import open_store
from tests.control_plane.conftest import SECRET_KEY
from tests.control_plane.custody.chained import Scene, scene
from tests.recorder.gcs import gcs_server


@pytest_asyncio.fixture(params=["folder", "bucket"])
async def yard(
    request: pytest.FixtureRequest, settings: Settings, database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    """Five segments that were stored and told of."""
    async with gcs_server() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
        gcs.needs_token = False
        gcs.permissions.append("storage.objects.list")
        is_bucket = request.param == "bucket"
        url = f"gs://{gcs.bucket}" if is_bucket else settings.storage_url
        store = open_store(url, default_folder=settings.data_dir / "bucket", credentials=None)
        engine = create_engine(database, pool_size=5)
        services = Services(settings, engine, create_sessions(engine), SecretBox(SECRET_KEY), store, ConfigChanges())
        try:
            found = await scene(services, gcs if is_bucket else None)
            await found.sealed(5)
            await found.told()
            yield found
        finally:
            await store.close()
            await engine.dispose()
