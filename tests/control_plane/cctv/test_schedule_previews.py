"""Previews and states of schedules over the API; nothing of it changes anything but activate and deactivate."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Event, Schedule
from control_plane.services import Services
from tests.control_plane.cctv.footage import Footage
from tests.control_plane.cctv.scripts import Script, fields_refused
from tests.control_plane.cctv.test_other_sites import key_of

NIGHT = {"schedule_type": "daily", "start_time": "22:00:00", "end_time": "06:00:00"}


@pytest.fixture
async def camera(admin: Script) -> Any:
    """With a recorder."""
    site = await admin.site()
    camera = await admin.camera(site)
    await admin.client(site, camera)
    return camera


async def previewed(script: Script, body: object) -> Any:
    answer = await script.call("POST", "schedules/preview/", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def total_hours(stretches: list[Any]) -> float:
    lengths = (datetime.fromisoformat(one["end"]) - datetime.fromisoformat(one["start"]) for one in stretches)
    return sum(lengths, timedelta(0)) / timedelta(hours=1)


async def test_a_new_schedule_says_what_it_would_start(viewer: Script, camera: Any, services: Services) -> None:
    found = await previewed(viewer, {"camera_id": camera["id"], "schedule_type": "continuous"})
    assert found["timezone"] == "Europe/Berlin"
    start, end = (datetime.fromisoformat(found[name]) for name in ("start", "end"))
    assert end - start == timedelta(days=14)
    assert len(found["windows"]) == 15
    first = found["windows"][0]
    assert datetime.fromisoformat(first["local_start"]) == datetime.fromisoformat(first["start"])
    assert first["local_start"][11:19] == "00:00:00"
    (change,) = found["changes"]
    assert (change["camera_id"], change["stops"]) == (camera["id"], [])
    assert total_hours(change["starts"]) == 14 * 24
    assert (found["starts_now"], found["stops_now"], found["obstacles"]) == (True, False, [])
    async with services.sessions() as session:
        assert await session.scalar(select(func.count()).select_from(Schedule)) == 0


async def test_a_change_says_what_it_would_stop_and_start(admin: Script, viewer: Script, camera: Any) -> None:
    schedule = await admin.schedule(camera)
    found = await previewed(viewer, {"schedule_id": schedule["id"]} | NIGHT)
    (change,) = found["changes"]
    assert change["starts"] == []
    # Between 15 and 17 hours a day, as the clock goes: it may change in these days.
    assert abs(total_hours(change["stops"]) - 14 * 16) <= 17
    assert (await viewer.get(f"schedules/{schedule['id']}/"))["schedule_type"] == "continuous"

    whole = await viewer.get(f"schedules/{schedule['id']}/")
    same = await previewed(viewer, whole | {"schedule_id": schedule["id"]})
    assert same["changes"] == [], "an object that was shown may be sent back whole"

    await admin.schedule(camera, name="Twin")
    covered = await previewed(viewer, {"schedule_id": schedule["id"], "is_active": False})
    assert (covered["windows"], covered["changes"]) == ([], []), "another schedule wants the same"


async def test_a_schedule_that_moves_stops_here_and_starts_there(admin: Script, camera: Any) -> None:
    schedule = await admin.schedule(camera)
    other = await admin.camera({"id": camera["site_id"]}, name="Gate")
    found = await previewed(admin, {"schedule_id": schedule["id"], "camera_id": other["id"]})
    stops, starts = found["changes"]
    assert (stops["camera_id"], total_hours(stops["stops"]), stops["starts"]) == (camera["id"], 14 * 24, [])
    assert (starts["camera_id"], starts["stops"], total_hours(starts["starts"])) == (other["id"], [], 14 * 24)
    assert found["stops_now"]
    assert found["obstacles"] == ["No active local recording client has this camera."]


async def test_what_keeps_a_camera_from_being_recorded_is_said(admin: Script, camera: Any) -> None:
    await admin.change(f"cameras/{camera['id']}/", {"is_active": False})
    found = await previewed(admin, {"camera_id": camera["id"], "schedule_type": "continuous"})
    assert found["changes"] == []
    assert found["obstacles"] == ["The camera is inactive."]


async def test_turning_it_on_or_off_can_be_looked_at_first(admin: Script, viewer: Script, camera: Any) -> None:
    schedule = await admin.schedule(camera)
    path = f"schedules/{schedule['id']}/preview/"
    assert (await viewer.get(path))["changes"] == []
    off = await viewer.get(path, is_active=False)
    assert off["windows"] == []
    assert off["stops_now"]
    await admin.change(f"schedules/{schedule['id']}/", {"is_active": False})
    on = await viewer.get(path, is_active=True)
    assert on["starts_now"]
    assert len(on["windows"]) == 15


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["camera_id", "schedule_type"]),
        ({"schedule_type": "daily"}, ["camera_id"]),
        ({"camera_id": str(uuid7()), "schedule_type": "continuous"}, ["camera_id"]),
        ({"camera_id": "{camera}", "schedule_type": "daily"}, ["start_time", "end_time"]),
        ({"camera_id": "{camera}", "schedule_type": "weekly"} | NIGHT | {"schedule_type": "weekly"}, ["days_of_week"]),
        ({"camera_id": "{camera}", "schedule_type": "continuous", "colour": "red"}, ["colour"]),
    ],
)
async def test_what_could_not_be_saved_can_not_be_previewed(
    viewer: Script, camera: Any, body: dict[str, object], fields: list[str]
) -> None:
    body = {name: camera["id"] if value == "{camera}" else value for name, value in body.items()}
    assert list(fields_refused(await viewer.refused(422, "POST", "schedules/preview/", body))) == fields


async def test_a_schedule_that_is_not_there_has_no_preview(viewer: Script) -> None:
    nobody = str(uuid7())
    await viewer.refused(404, "POST", "schedules/preview/", {"schedule_id": nobody})
    for what in ("preview", "status"):
        await viewer.refused(404, "GET", f"schedules/{nobody}/{what}/")


async def test_turning_a_schedule_off_and_on_is_audited_once(
    operator: Script, admin: Script, camera: Any, services: Services
) -> None:
    schedule = await admin.schedule(camera)
    path = f"schedules/{schedule['id']}"
    for verb, is_active in (("deactivate", False), ("deactivate", False), ("activate", True), ("activate", True)):
        assert (await operator.post(f"{path}/{verb}/"))["is_active"] is is_active
        assert (await operator.get(f"{path}/"))["is_active"] is is_active
    async with services.sessions() as session:
        query = select(Event.detail).where(
            Event.subject_id == uuid.UUID(schedule["id"]), Event.kind.endswith("changed")
        )
        details = (await session.scalars(query.order_by(Event.occurred_at))).all()
    assert details == [
        {"is_active": {"before": True, "after": False}},
        {"is_active": {"before": False, "after": True}},
    ]


async def test_how_a_schedule_stands(admin: Script, viewer: Script, camera: Any, services: Services) -> None:
    schedule = await admin.schedule(camera)
    path = f"schedules/{schedule['id']}/status/"
    found = await viewer.get(path)
    assert (found["state"], found["is_active"], found["recording_ids"], found["obstacles"]) == ("due", True, [], [])
    now = datetime.now(UTC)
    start, end = (datetime.fromisoformat(found["window"][name]) for name in ("start", "end"))
    assert start <= now
    assert found["next_change_at"] == found["window"]["end"] == found["next_window"]["start"]
    assert end - start in {timedelta(hours=hours) for hours in (23, 24, 25)}

    client = (await viewer.get("clients/"))["items"][0]
    footage = Footage(services)
    recording = await footage.recording(client, camera, schedule_id=uuid.UUID(schedule["id"]))
    await footage.recording(client, camera)
    schedule_id = uuid.UUID(schedule["id"])
    await footage.recording(client, camera, status=RecordingStatus.COMPLETED, schedule_id=schedule_id)
    found = await viewer.get(path)
    assert (found["state"], found["recording_ids"]) == ("recording", [str(recording.id)])


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"is_active": False}, "inactive"),
        ({"schedule_type": "once", "start_date": "2020-01-01"} | NIGHT | {"schedule_type": "once"}, "over"),
        ({"schedule_type": "continuous", "start_date": "2100-01-01"}, "waiting"),
    ],
)
async def test_states_of_schedules_that_record_nothing(
    admin: Script, camera: Any, given: dict[str, object], state: str
) -> None:
    schedule = await admin.schedule(camera, **given)
    found = await admin.get(f"schedules/{schedule['id']}/status/")
    assert found["state"] == state
    assert found["window"] is None
    assert (found["next_window"] is None) is (state != "waiting")


async def test_for_another_sites_scripts_there_is_nothing_to_preview(
    admin: Script, camera: Any, services: Services, http: httpx.AsyncClient
) -> None:
    schedule = await admin.schedule(camera)
    elsewhere = await admin.site("Elsewhere")
    own = await admin.schedule(await admin.camera(elsewhere))
    stranger = await key_of(services, http, "stranger", elsewhere)
    await stranger.refused(404, "POST", "schedules/preview/", {"schedule_id": schedule["id"]})
    for body in ({"schedule_id": own["id"]}, {"schedule_type": "continuous"}):
        refused = await stranger.refused(422, "POST", "schedules/preview/", body | {"camera_id": camera["id"]})
        assert fields_refused(refused) == {"camera_id": f"there is no camera {camera['id']}"}
    assert {item["camera_id"] for item in await stranger.all("coverage/")} == {own["camera_id"]}
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    days = {"first_day": day, "last_day": day}
    assert (await stranger.get("coverage/total/", **days))["camera_days"] == 1
    assert (await admin.get("coverage/total/", **days))["camera_days"] == 2
    assert (await stranger.get("coverage/total/", site_id=camera["site_id"], **days))["camera_days"] == 0
