"""Footage that is wanted now: asked for by a script, told to its recorder, followed until it is stored."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text

from camfleet_contract.heartbeats import FetchProgress
from camfleet_contract.uploading import MOST_FETCHES, Uploading
from control_plane.jobs.queue import create_queue
from control_plane.jobs.upkeep import keep_up
from control_plane.local_client.configuration import read_config
from control_plane.models import Event
from control_plane.recordings.fetches import take_in_progress
from control_plane.services import Services
from tests.control_plane.cctv.footage import NOW, Footage
from tests.control_plane.cctv.scripts import Script

START, END = NOW - timedelta(hours=1), NOW - timedelta(minutes=45)


async def told(services: Services, client: Any) -> Uploading:
    """What the recorder reads of its uploads."""
    async with services.sessions.begin() as session:
        config = await read_config(session, services.secrets, services.store, uuid.UUID(client["id"]))
    assert config.uploading is not None
    return config.uploading


async def reports(services: Services, client: Any, fetch: Any, segments: int, count: int = 0) -> None:
    progress = FetchProgress(id=uuid.UUID(fetch["id"]), segments=segments, bytes=count)
    async with services.sessions.begin() as session:
        await take_in_progress(session, uuid.UUID(client["id"]), [progress], datetime.now(UTC))


def interval(camera: Any, start: datetime = START, end: datetime = END) -> dict[str, str]:
    return {"camera_id": camera["id"], "start": start.isoformat(), "end": end.isoformat()}


async def test_an_interval_is_asked_for_until_all_of_it_is_stored(
    admin: Script, operator: Script, viewer: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box, other = await admin.client(site, camera), await admin.client(site, name="Other")
    (asked,) = await operator.create("fetches/", interval(camera))
    assert (asked["state"], asked["client_id"], asked["segments_left"]) == ("asked", box["id"], None)
    assert asked["asked_by"] == "api_key:operator key"
    assert await operator.create("fetches/", interval(camera)) == [asked], "asking twice asks once"
    (fetch,) = (await told(services, box)).fetches
    assert (str(fetch.id), str(fetch.camera_id), fetch.start, fetch.end) == (asked["id"], camera["id"], START, END)
    assert (await told(services, other)).fetches == []

    await reports(services, other, asked, 0)
    assert (await viewer.get(f"fetches/{asked['id']}/"))["state"] == "asked", "another's word counts for nothing"
    await reports(services, box, asked, 2, 2000)
    waiting = await viewer.get(f"fetches/{asked['id']}/")
    assert (waiting["state"], waiting["segments_left"], waiting["bytes_left"]) == ("waiting", 2, 2000)
    assert [one["id"] for one in await viewer.all("fetches/", is_open=True, camera_id=camera["id"])] == [asked["id"]]

    footage = Footage(services)
    recording = await footage.recording(box, camera, started_at=START)
    await footage.segments(recording, 5, stored=5)
    await reports(services, box, asked, 0)
    assert (await viewer.get(f"fetches/{asked['id']}/"))["state"] == "done"
    assert (await told(services, box)).fetches == []
    assert await viewer.all("fetches/", is_open=True) == []
    await reports(services, box, asked, 7)
    assert (await viewer.get(f"fetches/{asked['id']}/"))["state"] == "done", "what is over stays over"
    async with services.sessions() as session:
        query = select(Event.kind).where(Event.subject_id == uuid.UUID(camera["id"]), Event.kind.startswith("camera.f"))
        kinds = sorted(await session.scalars(query))
    assert kinds == ["camera.fetch_asked", "camera.fetch_ended"]


async def test_where_there_is_nothing_that_is_said(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box = await admin.client(site, camera)
    (asked,) = await operator.create("fetches/", interval(camera))
    await reports(services, box, asked, 0)
    assert (await operator.get(f"fetches/{asked['id']}/"))["state"] == "nothing"


async def test_the_recorder_that_recorded_it_is_asked_not_the_one_that_has_the_camera_now(
    admin: Script, operator: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    earlier, now = await admin.client(site), await admin.client(site, camera, name="New box")
    recording = await Footage(services).recording(earlier, camera, started_at=START, ended_at=END)
    (asked,) = await operator.create("fetches/", interval(camera))
    assert asked["client_id"] == earlier["id"]
    (later,) = await operator.create("fetches/", interval(camera, END, NOW))
    assert later["client_id"] == now["id"]
    whole = await operator.post(f"recordings/{recording.id}/fetch/")
    assert whole["id"] == asked["id"]


async def test_a_recording_that_goes_on_is_fetched_until_now(
    admin: Script, operator: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box = await admin.client(site, camera)
    recording = await Footage(services).recording(box, camera, started_at=START)
    asked = await operator.post(f"recordings/{recording.id}/fetch/")
    assert datetime.fromisoformat(asked["start"]) == START
    assert NOW - timedelta(minutes=1) < datetime.fromisoformat(asked["end"]) <= datetime.now(UTC)


async def test_cancelling_takes_it_from_the_recorder(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box = await admin.client(site, camera)
    (asked,) = await operator.create("fetches/", interval(camera))
    for _ in range(2):
        assert (await operator.post(f"fetches/{asked['id']}/cancel/"))["state"] == "cancelled"
    assert (await told(services, box)).fetches == []


async def test_who_never_comes_is_not_waited_for(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box = await admin.client(site, camera)
    (asked,) = await operator.create("fetches/", interval(camera))
    async with services.sessions.begin() as session:
        await session.execute(text("UPDATE fetches SET expires_at = now()"))
    assert (await operator.get(f"fetches/{asked['id']}/"))["state"] == "expired"
    assert (await told(services, box)).fetches == []
    assert len(await operator.all("fetches/", is_open=False)) == 1
    for _ in range(2):
        await keep_up(create_queue(services.engine.url), services)
    ended = await operator.get(f"fetches/{asked['id']}/")
    assert ended["state"] == "expired"
    assert ended["ended_at"] is not None
    async with services.sessions() as session:
        (event,) = await session.scalars(select(Event).where(Event.kind == "camera.fetch_ended"))
    assert (event.actor, event.detail["result"]) == ("control-plane", "expired")


async def test_what_cannot_be_asked_for_is_refused(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera, lonely = await admin.camera(site), await admin.camera(site, name="Lonely")
    await admin.client(site, camera)
    await operator.refused(422, "POST", "fetches/", interval(camera, END, START))
    await operator.refused(422, "POST", "fetches/", interval(camera, NOW - timedelta(days=40), NOW))
    await operator.refused(
        422, "POST", "fetches/", interval(camera, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    )
    await operator.refused(422, "POST", "fetches/", interval(camera) | {"start": "yesterday"})
    await operator.refused(422, "POST", "fetches/", interval(camera) | {"speed": "fast"})
    await operator.refused(404, "POST", "fetches/", interval({"id": str(uuid.uuid4())}))
    assert "no recorder" in (await operator.refused(409, "POST", "fetches/", interval(lonely))).lower()
    await operator.refused(404, "GET", f"fetches/{uuid.uuid4()}/")
    await operator.refused(404, "POST", f"fetches/{uuid.uuid4()}/cancel/")
    await operator.refused(404, "POST", f"recordings/{uuid.uuid4()}/fetch/")


async def test_a_recorder_is_not_asked_for_more_than_its_configuration_carries(
    admin: Script, operator: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    await admin.client(site, camera)
    await operator.create("fetches/", interval(camera))
    async with services.sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO fetches (id, client_id, camera_id, start_at, end_at, asked_by, expires_at)"
                " SELECT gen_random_uuid(), client_id, camera_id, start_at - n * interval '1 day', end_at, asked_by,"
                " expires_at FROM fetches, generate_series(1, :more) AS n"
            ),
            {"more": MOST_FETCHES - 1},
        )
    reason = await operator.refused(409, "POST", "fetches/", interval(camera, START, NOW))
    assert f"{MOST_FETCHES} intervals" in reason


async def test_how_a_recorder_uploads_is_set_and_told(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    box = await admin.client(site)
    assert (box["upload_limit_kbit"], box["upload_hours"]) == (None, [])
    assert await told(services, box) == Uploading()
    night = [{"start_time": "22:00:00", "end_time": "06:00:00"}]
    changed = await operator.change(f"clients/{box['id']}/", {"upload_limit_kbit": 2000, "upload_hours": night})
    assert (changed["upload_limit_kbit"], changed["upload_hours"]) == (2000, night)
    assert (await told(services, box)) == Uploading.model_validate({"limit_kbit": 2000, "hours": night})
    again = await operator.change(f"clients/{box['id']}/", {"upload_hours": changed["upload_hours"]})
    assert again["updated_at"] == changed["updated_at"], "nothing changed"
    for bad in (
        {"upload_limit_kbit": 0},
        {"upload_limit_kbit": 10**12},
        {"upload_limit_kbit": "fast"},
        {"upload_hours": [{"start_time": "12:00:00", "end_time": "12:00:00"}]},
        {"upload_hours": [{"start_time": "12:00", "end_time": "13:00:00"}]},
        {"upload_hours": night * 11},
    ):
        await operator.refused(422, "PATCH", f"clients/{box['id']}/", bad)
    cleared = await operator.change(f"clients/{box['id']}/", {"upload_limit_kbit": None, "upload_hours": []})
    assert (cleared["upload_limit_kbit"], cleared["upload_hours"]) == (None, [])
