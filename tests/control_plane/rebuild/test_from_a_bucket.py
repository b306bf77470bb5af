"""The database recreated from a bucket, whose objects say most of it without being read."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from control_plane.services import Services
from control_plane.stores import Store, StoreUnavailableError, open_store
from tests.control_plane.rebuild.objects import NOW, Camera, Object, rebuilt
from tests.recorder.gcs import Gcs, gcs_server

YARD = Camera()
GENERATION = 1_700_000_000_000_007


@pytest_asyncio.fixture
async def gcs() -> AsyncIterator[Gcs]:
    async with gcs_server() as gcs:
        gcs.needs_token = False
        gcs.permissions.append("storage.objects.list")
        yield gcs


@pytest_asyncio.fixture
async def bucket(gcs: Gcs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
    store = open_store(f"gs://{gcs.bucket}", default_folder=tmp_path, credentials=None)
    yield store
    await store.close()


def put(gcs: Gcs, each: Object, **more: Any) -> None:
    gcs.objects[each.name] = {
        "name": each.name,
        "generation": str(GENERATION),
        "size": str(len(each.content)),
        "crc32c": each.crc32c,
        "metadata": each.description.metadata(each.sha256),
    } | more
    gcs.bodies[each.name] = each.content


async def rows(services: Services, statement: str) -> list[dict[str, Any]]:
    async with services.sessions.begin() as session:
        return [dict(row) for row in (await session.execute(text(statement))).mappings()]


async def test_metadata_is_enough_and_no_object_is_read(services: Services, gcs: Gcs, bucket: Store) -> None:
    objects = [YARD.segment(n) for n in range(7)]
    for each in objects:
        put(gcs, each)
    gcs.page = 3
    gcs.bodies.clear()
    found = await rebuilt(services, bucket)
    assert (found.told, found.made) == ([], (7, 1, 1, 1))
    wanted = [each.row(GENERATION) for each in objects]
    made = await rows(services, "SELECT * FROM segments ORDER BY started_at")
    assert [{name: row[name] for name in wanted[0]} for row in made] == wanted
    again = await rebuilt(services, bucket)
    assert (again.told, again.summary.agreed) == ([], 7)


async def test_an_object_without_metadata_is_read_for_its_box_and_its_checksum(
    services: Services, gcs: Gcs, bucket: Store
) -> None:
    bare, silent = YARD.segment(0), YARD.segment(1)
    put(gcs, bare, metadata=None)
    put(gcs, silent, metadata=None)
    gcs.bodies[silent.name] = b""
    gcs.objects[silent.name]["size"] = "0"
    assert (await rebuilt(services, bucket, is_dry=True)).told == [
        ("missing_row", bare.name),
        ("undescribed", silent.name),
    ]
    found = await rebuilt(services, bucket)
    assert [(kind, name) for kind, name in found.told] == [("not_read", silent.name)]
    (made,) = await rows(services, "SELECT * FROM segments")
    assert {name: made[name] for name in bare.row()} == bare.row(GENERATION)


async def test_a_recording_s_name_comes_from_a_box_where_metadata_does_not_know_it(
    services: Services, gcs: Gcs, bucket: Store
) -> None:
    each = YARD.segment()
    put(gcs, each, metadata=each.description.model_copy(update={"recording_name": ""}).metadata(each.sha256))
    await rebuilt(services, bucket)
    assert await rows(services, "SELECT name FROM recordings") == [{"name": "Yard by night"}]


async def test_what_the_bucket_says_otherwise_than_the_database_is_told(
    services: Services, gcs: Gcs, bucket: Store
) -> None:
    each = YARD.segment()
    put(gcs, each)
    await rebuilt(services, bucket)
    metadata = each.description.model_copy(update={"packets": 1}).metadata("ab" * 32)
    put(gcs, each, metadata=metadata, generation="8", crc32c="AAAAAA==")
    (finding,) = (await rebuilt(services, bucket)).findings
    assert dict(finding.differences) == {
        "crc32c": (each.crc32c, "AAAAAA=="),
        "sha256": (each.sha256, "ab" * 32),
        "generation": (GENERATION, 8),
        "packets": (1500, 1),
    }


async def test_a_link_that_is_not_the_one_of_the_metadata_is_found_without_reading(
    services: Services, gcs: Gcs, bucket: Store
) -> None:
    each = YARD.segment()
    put(gcs, each, metadata=each.description.metadata(each.sha256) | {"link-sha256": "cd" * 32})
    await rebuilt(services, bucket)
    gcs.bodies.clear()
    put(gcs, each)
    (finding,) = (await rebuilt(services, bucket)).findings
    assert dict(finding.differences) == {"link_sha256": ("cd" * 32, each.row()["link_sha256"])}


async def test_a_hold_that_the_bucket_keeps_is_one_again(services: Services, gcs: Gcs, bucket: Store) -> None:
    held, free = YARD.segment(), Camera().segment()
    put(gcs, held, temporaryHold=True)
    put(gcs, free, temporaryHold=False)
    await rebuilt(services, bucket)
    asked = await rows(services, "SELECT id, held_at FROM recordings ORDER BY held_at")
    assert [(row["id"], row["held_at"]) for row in asked] == [
        (YARD.recording_id, NOW),
        (free.description.recording_id, None),
    ]


async def test_a_bucket_that_may_not_be_listed_says_which_permission_is_missing(
    services: Services, gcs: Gcs, bucket: Store
) -> None:
    gcs.permissions.remove("storage.objects.list")
    with pytest.raises(StoreUnavailableError, match=r"needs storage\.objects\.list"):
        await rebuilt(services, bucket)
