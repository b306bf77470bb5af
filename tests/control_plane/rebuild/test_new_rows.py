"""What a rebuild makes says where it lies and since when, and what lies elsewhere is left alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from control_plane.services import Services
from tests.control_plane.rebuild.objects import NOW, Camera, rebuilt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


async def rows(services: Services, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    async with services.sessions.begin() as session:
        result: Any = await session.execute(text(statement), parameters)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []


async def test_what_lies_in_another_store_is_not_missing_in_this_one(services: Services, folder: Path) -> None:
    yard = Camera()
    here, there, copied = [yard.segment(n) for n in range(3)]
    for each in (here, there, copied):
        each.put(folder)
    await rebuilt(services)
    assert {row["store_url"] for row in await rows(services, "SELECT store_url FROM segments")} == {folder.as_uri()}
    for each in (there, copied):
        await rows(
            services, "UPDATE segments SET store_url = 'gs://old' WHERE id = :id", id=each.description.segment_id
        )
    for each in (here, there):
        (folder / each.name).unlink()
    found = await rebuilt(services)
    assert found.told == sorted([("missing_object", here.name), ("different", copied.name)])
    (differs,) = [finding for finding in found.findings if finding.kind == "different"]
    assert differs.differences == {"store_url": ("gs://old", folder.as_uri())}


async def test_the_day_of_grace_begins_when_a_row_is_made(services: Services, folder: Path) -> None:
    """A run over a large bucket takes days: what it makes last must not be too old for retention when it ends."""
    for camera in (Camera(), Camera()):
        for number in range(501):
            camera.segment(number).put(folder)
    ticks = iter(NOW + timedelta(days=day) for day in range(100))
    await rebuilt(services, clock=lambda: next(ticks))
    made = await rows(services, "SELECT DISTINCT stored_at FROM segments ORDER BY stored_at")
    assert len(made) == 2
    assert made[1]["stored_at"] - made[0]["stored_at"] >= timedelta(days=1)
