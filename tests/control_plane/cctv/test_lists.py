"""Lists: paging by key, filters, and what they cost."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, text

from camfleet_contract.recordings import RecordingStatus
from control_plane.services import Services
from tests.control_plane.cctv.footage import NOW, Footage
from tests.control_plane.cctv.scripts import Script, fields_refused


@pytest.fixture
def footage(services: Services) -> Footage:
    return Footage(services)


@contextmanager
def counted_statements(services: Services) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        statements.append(statement)

    event.listen(services.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(services.engine.sync_engine, "before_cursor_execute", note)


def names(items: list[Any]) -> list[str]:
    return [item["name"] for item in items]


async def test_pages_follow_each_other_without_a_gap_or_a_repeat(admin: Script) -> None:
    for number in range(7):
        await admin.site(f"Site {number}")
    expected = [f"Site {number}" for number in range(7)]
    for limit in (1, 2, 3, 6, 7, 8, 200):
        assert names(await admin.all("sites/", limit=limit)) == expected
    assert (await admin.get("sites/", limit=7))["next_cursor"] is None


async def test_a_page_stays_right_while_rows_are_added_and_deleted(admin: Script) -> None:
    sites = [await admin.site(f"Site {number}") for number in range(4)]
    first = await admin.get("sites/", limit=2)
    await admin.site("Added meanwhile")
    await admin.delete(f"sites/{sites[0]['id']}/")
    await admin.delete(f"sites/{sites[1]['id']}/")
    second = await admin.get("sites/", limit=2, cursor=first["next_cursor"])
    third = await admin.get("sites/", limit=2, cursor=second["next_cursor"])
    assert names(second["items"] + third["items"]) == ["Site 2", "Site 3", "Added meanwhile"]


async def test_recordings_come_newest_first_also_while_new_ones_start(admin: Script, footage: Footage) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    client = await admin.client(site, camera)
    for number in range(5):
        # Two that start at the same instant: the id decides.
        started_at = NOW - timedelta(hours=number // 2)
        await footage.recording(client, camera, name=f"Run {number}", started_at=started_at)
    first = await admin.get("recordings/", limit=2)
    await footage.recording(client, camera, name="New", started_at=NOW + timedelta(minutes=1))
    rest = await admin.all("recordings/", limit=2)
    assert names(rest) == ["New", "Run 1", "Run 0", "Run 3", "Run 2", "Run 4"]
    second = await admin.get("recordings/", limit=200, cursor=first["next_cursor"])
    assert names(first["items"] + second["items"]) == ["Run 1", "Run 0", "Run 3", "Run 2", "Run 4"]


@pytest.mark.parametrize("path", ["sites/", "clients/", "cameras/", "schedules/", "recordings/"])
@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"cursor": "ä"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "A" * 301}, "cursor"),
        ({"q": "a\0b"}, "q"),
        ({"q": "x" * 101}, "q"),
    ],
)
async def test_bad_parameters_are_refused_by_name(
    viewer: Script, path: str, parameters: dict[str, object], field: str
) -> None:
    assert list(fields_refused(await viewer.refused(422, "GET", path, params=parameters))) == [field]


async def test_names_are_searched_literally(admin: Script) -> None:
    for name in ("100% Harbour", "100 Mills", "a_b", "axb", "back\\slash"):
        await admin.site(name)
    assert names(await admin.all("sites/", q="0%")) == ["100% Harbour"]
    assert names(await admin.all("sites/", q="A_B")) == ["a_b"]
    assert names(await admin.all("sites/", q="k\\s")) == ["back\\slash"]
    assert names(await admin.all("sites/", q="HARB")) == ["100% Harbour"]


async def test_filters_of_the_fleet(admin: Script, services: Services) -> None:
    here, there = await admin.site("Here"), await admin.site("There")
    yard, gate, far = (
        await admin.camera(here, name="Yard"),
        await admin.camera(here, name="Gate"),
        await admin.camera(there, name="Far"),
    )
    box, other = await admin.client(here, yard, name="Box"), await admin.client(there, far, name="Other box")
    late = await admin.client(there, name="Late box")
    for camera in (yard, gate, far):
        await admin.schedule(camera, name=f"{camera['name']} schedule")
    assert names(await admin.all("cameras/", site_id=here["id"])) == ["Yard", "Gate"]
    assert names(await admin.all("cameras/", client_id=box["id"])) == ["Yard"]
    assert names(await admin.all("clients/", site_id=there["id"])) == ["Other box", "Late box"]
    assert names(await admin.all("clients/", camera_id=yard["id"])) == ["Box"]
    assert names(await admin.all("schedules/", camera_id=gate["id"])) == ["Gate schedule"]
    assert names(await admin.all("schedules/", site_id=here["id"])) == ["Yard schedule", "Gate schedule"]
    assert names(await admin.all("schedules/", client_id=other["id"])) == ["Far schedule"]
    async with services.engine.begin() as connection:
        for client, age in ((box, "80 seconds"), (late, "2 minutes"), (other, "4 minutes")):
            insert = f"INSERT INTO client_contacts (client_id, last_contact_at) VALUES (:id, now() - interval '{age}')"  # noqa: S608  - from the test
            await connection.execute(text(insert), {"id": client["id"]})
    assert names(await admin.all("clients/", status="online")) == ["Box"]
    assert names(await admin.all("clients/", status="late")) == ["Late box"]
    assert names(await admin.all("clients/", status="offline")) == ["Other box"]
    assert (await admin.get(f"clients/{box['id']}/"))["status"] == "online"
    assert (await admin.get(f"clients/{other['id']}/"))["last_contact_at"] is not None


async def test_filters_of_recordings(admin: Script, footage: Footage) -> None:
    here, there = await admin.site("Here"), await admin.site("There")
    yard, far = await admin.camera(here), await admin.camera(there)
    box, other = await admin.client(here, yard), await admin.client(there, far)
    await footage.recording(box, yard, name="Old", started_at=NOW - timedelta(days=2), status=RecordingStatus.COMPLETED)
    await footage.recording(box, yard, name="New", started_at=NOW)
    await footage.recording(other, far, name="Far", started_at=NOW - timedelta(days=1))
    for parameters, expected in [
        ({}, ["New", "Far", "Old"]),
        ({"camera_id": yard["id"]}, ["New", "Old"]),
        ({"client_id": other["id"]}, ["Far"]),
        ({"site_id": here["id"]}, ["New", "Old"]),
        ({"status": "completed"}, ["Old"]),
        ({"started_after": NOW.isoformat()}, ["New"]),
        ({"started_before": NOW.isoformat(), "started_after": (NOW - timedelta(days=1)).isoformat()}, ["Far"]),
        ({"started_after": "9999-12-31T23:59:59Z"}, []),
        ({"q": "ol"}, ["Old"]),
    ]:
        assert names(await admin.all("recordings/", limit=1, **parameters)) == expected, parameters
    await admin.refused(422, "GET", "recordings/", params={"started_after": "0001-01-01T00:00:00+23:59"})
    await admin.refused(422, "GET", "recordings/", params={"started_after": "2026-03-01T00:00:00"})


async def test_a_recording_shows_the_sums_of_its_segments(admin: Script, footage: Footage) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    client = await admin.client(site, camera)
    recording = await footage.recording(client, camera, ended_at=NOW + timedelta(minutes=5))
    empty = await footage.recording(client, camera)
    segments = await footage.segments(recording, 5, stored=3)
    shown = await admin.get(f"recordings/{recording.id}/")
    assert shown["seconds"] == 300
    assert shown["segments"] == {
        "known": 5,
        "stored": 3,
        "deleted": 0,
        "seconds": 300,
        "stored_seconds": 180,
        "size_bytes": 5000,
        "stored_bytes": 3000,
        "is_complete": True,
    }
    shown = await admin.get(f"recordings/{empty.id}/")
    assert (shown["seconds"], shown["segments"]["known"], shown["segments"]["stored_bytes"]) == (None, 0, 0)
    path = f"recordings/{recording.id}/segments/"
    found = await admin.all(path, limit=2)
    assert [segment["id"] for segment in found] == [str(segment.id) for segment in segments]
    assert [segment["state"] for segment in found] == ["stored"] * 3 + ["offered"] * 2
    assert {segment["seconds"] for segment in found} == {60}
    assert len(await admin.all(path, state="offered")) == 2
    assert await admin.all(f"recordings/{empty.id}/segments/") == []


async def test_what_has_recordings_is_not_deleted(admin: Script, footage: Footage) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    client, schedule = await admin.client(site, camera), await admin.schedule(camera)
    recording = await footage.recording(client, camera, schedule_id=schedule["id"])
    for path in (f"cameras/{camera['id']}/", f"clients/{client['id']}/"):
        assert "Deactivate it instead" in await admin.refused(409, "DELETE", path)
        assert (await admin.change(path, {"is_active": False}))["is_active"] is False
    await admin.delete(f"schedules/{schedule['id']}/")
    assert (await admin.get(f"recordings/{recording.id}/"))["schedule_id"] is None


async def grow(admin: Script, footage: Footage, *names: str) -> None:
    for name in names:
        site = await admin.site(name)
        cameras = [await admin.camera(site, username="admin", password="hunter2hunter2") for _ in range(2)]
        client = await admin.client(site, *cameras)
        for camera in cameras:
            await admin.schedule(camera)
            await footage.segments(await footage.recording(client, camera), 2, stored=1)


@pytest.mark.parametrize("path", ["sites/", "clients/", "cameras/", "schedules/", "recordings/"])
async def test_a_list_costs_the_same_number_of_statements_however_long(
    admin: Script, services: Services, footage: Footage, path: str
) -> None:
    await grow(admin, footage, "Harbour")
    with counted_statements(services) as one:
        await admin.get(path)
    await grow(admin, footage, "Mill", "Farm", "Quay", "Yard", "Dock")
    with counted_statements(services) as many:
        assert len((await admin.get(path))["items"]) >= 6
    assert len(many) == len(one) <= 5
