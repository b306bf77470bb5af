"""`control-plane verify`, as an administrator runs it."""

import json

import pytest
from sqlalchemy import make_url, text

from control_plane.prerequisites import open_footage
from tests.control_plane.commands import Finished, run_command
from tests.control_plane.conftest import SECRET_KEY
from tests.control_plane.custody.chained import Scene, content


async def verified(yard: Scene, *more: str, camera: str = "", until: str = "2026-03-02") -> Finished:
    services = yard.services
    settings = {
        "DATABASE_URL": make_url(services.engine.url).render_as_string(hide_password=False),
        "SECRET_KEYS": SECRET_KEY,
        "DATA_DIR": str(services.settings.data_dir),
        "STORAGE_URL": services.store.url,
    }
    if yard.gcs:
        # The command's environment is its own.
        settings["STORAGE_EMULATOR_HOST"] = yard.gcs.root
    camera = camera or str(yard.camera_id)
    return await run_command(
        "verify", "--camera", camera, "--from", "2026-03-01", "--until", until, *more, settings=settings
    )


async def test_it_ends_with_0_where_all_is_as_recorded(yard: Scene) -> None:
    done = await verified(yard, "--bytes")
    assert (done.code, done.errors) == (0, "")
    size = 5 * len(content(1))
    assert (
        f"Yard: 5 segments, 5 objects compared (all {size} bytes of them hashed), 0 problems: as recorded"
        in done.output
    )
    assert f"ends with #5 {yard.number(5).id}, link {yard.number(5).link_sha256}" in done.output


async def test_it_ends_with_1_and_names_what_is_not(yard: Scene) -> None:
    yard.put(yard.number(3), b"other bytes")
    done = await verified(yard)
    assert done.code == 1
    assert f"PROBLEM: #3 {yard.number(3).id}: the object has 11 bytes" in done.output
    assert "1 problems: NOT as recorded" in done.output


async def test_json_says_the_same(yard: Scene) -> None:
    yard.remove(yard.number(3))
    done = await verified(yard, "--json")
    finding, summary = (json.loads(line) for line in done.output.splitlines())
    assert done.code == 1
    assert (finding["kind"], finding["segment_id"]) == ("object_missing", str(yard.number(3).id))
    assert (summary["segments"], summary["problems"]) == (5, 1)
    assert summary["chains"][0]["head"]["link_sha256"] == yard.number(5).link_sha256


@pytest.mark.parametrize(
    ("camera", "until", "told"),
    [
        ("yard", "2026-03-02", "a camera's id"),
        ("0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61", "2026-03-02", "There is no camera"),
        ("", "2026-02-01", "must be after --from"),
        ("", "tomorrow", "must be an instant"),
    ],
)
async def test_a_wrong_question_is_told_in_a_line(yard: Scene, camera: str, until: str, told: str) -> None:
    if yard.gcs:
        pytest.skip("the store is not asked")
    done = await verified(yard, camera=camera, until=until)
    assert done.code == 1
    assert told in done.errors
    assert len(done.errors.splitlines()) == 1


async def test_what_can_not_be_looked_at_is_not_said_to_be_well(yard: Scene) -> None:
    if not yard.gcs:
        pytest.skip("a folder has no permissions of its own")
    yard.gcs.permissions.remove("storage.objects.list")
    done = await verified(yard)
    assert done.code == 1
    assert "not verified" in done.errors
    assert "storage.objects.list" in done.errors


async def test_its_statements_may_take_longer_than_those_of_a_request(yard: Scene, database: str) -> None:
    async with open_footage(yard.services.settings, database) as footage, footage.sessions() as session:
        assert await session.scalar(text("SHOW statement_timeout")) == "5min"
