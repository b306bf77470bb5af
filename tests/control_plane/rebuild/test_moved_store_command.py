"""Footage that was copied to another store, or whose folder is mounted elsewhere: its rows follow, and no others."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from control_plane.recordings.retention import delete_old_footage
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.stores import open_store
from tests.control_plane.commands import run_command
from tests.control_plane.conftest import SECRET_KEY
from tests.control_plane.rebuild.objects import Camera, rebuilt
from tests.recorder.gcs import gcs_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


async def moved(settings: Settings, old: str, new: str, **more: str) -> tuple[int, str]:
    assert settings.database_url is not None
    given = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "SECRET_KEYS": SECRET_KEY,
        "DATA_DIR": str(settings.data_dir),
        "STORAGE_URL": new,
    }
    done = await run_command("moved-store", "--from", old, settings=given | more)
    return done.code, done.output.strip() or done.errors.strip()


async def stores(services: Services) -> list[tuple[str, int]]:
    async with services.sessions() as session:
        query = text("SELECT store_url, generation FROM segments ORDER BY camera_id, started_at")
        return [(row.store_url, row.generation) for row in await session.execute(query)]


async def test_rows_follow_a_folder_that_is_mounted_elsewhere(
    services: Services, settings: Settings, folder: Path
) -> None:
    yard, gate = Camera(), Camera()
    objects = [yard.segment(n) for n in range(3)] + [gate.segment(0)]
    for each in objects:
        each.put(folder)
    await rebuilt(services)
    new = folder.with_name("elsewhere")
    shutil.copytree(folder, new)
    (new / objects[1].name).unlink()
    (new / objects[2].name).write_bytes(b"shorter")
    old = services.store.url
    assert await moved(settings, old, new.as_uri()) == (3, f"2 segments noted as moved, 2 still in {old}")
    assert [url for url, _ in await stores(services)].count(new.as_uri()) == 2
    for each in objects[1:3]:
        each.put(new)
    assert await moved(settings, f"{old}/", new.as_uri()) == (0, f"2 segments noted as moved, 0 still in {old}/")
    assert {url for url, _ in await stores(services)} == {new.as_uri()}
    async with services.sessions() as session:
        events = await session.execute(text("SELECT detail FROM events WHERE kind = 'camera.footage_moved'"))
        assert sum(event.detail["segments"] for event in events) == 4
    code, said = await moved(settings, new.as_uri(), new.as_uri())
    assert code == 1
    assert "set STORAGE_URL to the new store first" in said


async def test_rows_follow_a_copy_in_a_bucket_and_can_be_deleted_there(
    services: Services, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = Camera()
    copied, altered = yard.segment(0), yard.segment(1)
    for each in (copied, altered):
        each.put(folder)
    await rebuilt(services)
    async with gcs_server() as gcs:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
        gcs.needs_token = False
        gcs.permissions += ["storage.objects.list", "storage.objects.delete"]
        for each, content in ((copied, copied.content), (altered, altered.content[::-1])):
            crc32c = copied.crc32c if each is copied else "AAAAAA=="
            gcs._store(each.name, content, crc32c, {"name": each.name, "contentType": "video/mp4"})
        new = f"gs://{gcs.bucket}"
        code, said = await moved(settings, services.store.url, new, STORAGE_EMULATOR_HOST=gcs.root)
        assert (code, said) == (3, f"1 segments noted as moved, 1 still in {services.store.url}")
        generation = int(gcs.objects[copied.name]["generation"])
        assert await stores(services) == [(new, generation), (services.store.url, 0)]
        async with services.sessions.begin() as session:
            await session.execute(text("UPDATE segments SET stored_at = started_at"))
        store = open_store(new, default_folder=folder, credentials=None)
        try:
            now = copied.description.end.replace(year=2030)
            deleted = await delete_old_footage(services.sessions, store, yard.camera_id, 30, now)
        finally:
            await store.close()
    assert (deleted.segments, set(gcs.objects)) == (1, {altered.name})
