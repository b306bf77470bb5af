"""What a drill found is published: by the command, the API, and where the service is asked how it is."""

import json
import uuid

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from control_plane.events import COMMAND_LINE
from control_plane.models import Role
from control_plane.security.api_keys import create_api_key
from control_plane.services import Services
from tests.control_plane.cctv.scripts import Script
from tests.control_plane.commands import Finished, run_command
from tests.control_plane.conftest import SECRET_KEY
from tests.control_plane.drills.segments import Cellar, faults


@pytest.fixture
def environment(services: Services, database: str) -> dict[str, str]:
    return {"DATABASE_URL": database, "SECRET_KEYS": SECRET_KEY, "STORAGE_URL": services.store.url}


@pytest_asyncio.fixture
async def viewer(services: Services, app: FastAPI, client: httpx.AsyncClient) -> Script:
    async with services.sessions.begin() as session:
        key = await create_api_key(session, "monitoring", Role.VIEWER, actor=COMMAND_LINE)
    return Script(client, key.text)


async def run(environment: dict[str, str], *arguments: str) -> Finished:
    return await run_command("drill", *arguments, settings=environment)


async def test_the_command_ends_with_0_if_all_can_be_restored_else_with_1(
    cellar: Cellar, environment: dict[str, str]
) -> None:
    assert (await run(environment)).output == "nothing is stored\n"
    good, bad = await cellar.lay(*[cellar.footage] * 2)
    done = await run(environment, "--samples", "5")
    assert (done.code, done.output, done.errors) == (0, "2 of 2 restorable\n", "")
    cellar.file_of(bad).unlink()
    done = await run(environment)
    assert done.code == 1
    assert done.output.splitlines() == [
        f"missing: {bad.object_name}: the store has no such object (segment {bad.id})",
        "1 of 2 restorable",
    ]
    told = await run(environment, "--json", "--camera", str(good.camera_id), "--since", bad.started_at.isoformat()[:19])
    assert told.code == 1
    answer = json.loads(told.output)
    assert (answer["camera_id"], answer["restorable"]) == (str(good.camera_id), answer["sampled"] - 1)
    assert [failure["fault"] for failure in answer["failures"]] == ["missing"]
    assert [one.restorable for one in await cellar.drills()] == [2, 1, answer["restorable"]]


async def test_the_command_says_when_it_could_not_look(cellar: Cellar, environment: dict[str, str]) -> None:
    await cellar.lay(cellar.footage)
    away = await run(environment | {"STORAGE_URL": "file:///nowhere/at/all"})
    assert (away.code, away.output) == (1, "")
    assert "nothing of it was published" in away.errors
    nobody = await run(environment, "--camera", str(uuid.UUID(int=0)))
    assert (nobody.code, nobody.errors) == (1, "error: there is no such camera\n")
    assert await cellar.drills() == []


async def test_a_viewers_key_reads_drills(cellar: Cellar, viewer: Script) -> None:
    assert (await viewer.get("drills/"))["items"] == []
    (segment,) = await cellar.lay(cellar.footage)
    cellar.file_of(segment).unlink()
    done = await cellar.drill()
    listed = await viewer.get("drills/", is_of_all=True, limit=1)
    assert [one["id"] for one in listed["items"]] == [str(done.id)]
    assert (await viewer.get("drills/", is_of_all=False))["items"] == []
    shown = await viewer.get(f"drills/{done.id}/")
    assert (shown["sampled"], shown["restorable"], shown["failures"][0]["fault"]) == (1, 0, "missing")
    assert faults(done) == {shown["failures"][0]["segment_id"]: "missing"}


async def test_the_last_drill_is_beside_the_services_health(cellar: Cellar, client: httpx.AsyncClient) -> None:
    assert (await client.get("/health/ready")).json()["last_drill"] == "none yet"
    (segment, _) = await cellar.lay(*[cellar.footage] * 2)
    cellar.file_of(segment).unlink()
    await cellar.drill()
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()["last_drill"]) == (200, "1 of 2 restorable"), "it serves all the same"
