"""A predecessor client, call by call: what it sends, odd as it is, and what it depends on in the answers."""

import re
import uuid
from typing import Any

import httpx
import pytest

from tests.control_plane.local_client.sites import API, Place, Recorder

# What the shipped client reads from an item; it drops the item without a word if one of these is null or missing.
SCHEDULE_FIELDS = ("id", "name", "schedule_type", "start_time", "end_time", "days_of_week", "is_active", "camera")
ITS_CAMERA = {"id", "name", "ip_address", "rtsp_url", "rtsp_url_sub", "camera_type", "location", "record_quality"}
CAMERA_FIELDS = ("id", "name", "ip_address", "rtsp_url", "camera_type", "record_quality")


async def test_health_answers_without_a_token(place: Place) -> None:
    async with httpx.AsyncClient(base_url=place.service.url) as http:
        response = await http.get(f"{API}/health")
    assert response.status_code == 200
    assert response.json() == {"status": "healthy", "service": "Local Client API", "version": "5.0.0"}


async def test_it_sees_nothing_of_what_only_our_recorder_knows_of_a_camera(place: Place, recorder: Recorder) -> None:
    camera_id = await place.camera(
        "Gate", rtsp_url_sub="rtsp://10.0.0.9/sub", rtsp_transport="udp", recorded_stream="sub"
    )
    await place.assign(recorder, camera_id)
    await place.schedule(camera_id)
    cameras = {camera["id"]: camera for camera in (await recorder.get("cameras")).json()}
    (schedule,) = (await recorder.get("schedules")).json()
    assert set(cameras[str(camera_id)]) == set(schedule["camera"]) == ITS_CAMERA
    config = (await recorder.get("config")).json()
    (configured,) = (camera for camera in config["cameras"] if camera["id"] == str(camera_id))
    assert configured == cameras[str(camera_id)] | {"rtsp_transport": "udp", "recorded_stream": "sub"}


async def test_its_whole_life(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    schedule_id = await place.schedule(camera_id)

    response = await recorder.get("schedules", params={"client_id": str(recorder.id), "last_sync": ""})
    assert response.status_code == 200
    (schedule,) = response.json()
    assert all(schedule[field] is not None for field in SCHEDULE_FIELDS)
    assert all(schedule["camera"][field] is not None for field in CAMERA_FIELDS)
    assert re.fullmatch(r"\d\d:\d\d:\d\d", schedule["start_time"])
    assert schedule["id"] == str(schedule_id)
    assert schedule["camera"]["rtsp_url"] == "rtsp://user:p%40ss%2Fword@192.168.1.20:554/s1"
    assert (await recorder.get("cameras", params={"client_id": "unknown"})).json() == [schedule["camera"]]

    # Its retry after an answer that was lost.
    parameters = {"camera_id": str(camera_id), "schedule_id": str(schedule_id), "recording_name": "Yard by night"}
    first, second = [await recorder.post("recordings/register", params=parameters) for _ in range(2)]
    assert first.status_code == 200
    assert first.json() == second.json()
    assert first.json()["message"] == "Recording registered successfully"
    recording_id = first.json()["recording_id"]

    reports: list[tuple[str, dict[str, Any]]] = [
        ("recording", {"progress": 0.0, "frames_recorded": None, "file_size": None, "error_message": None}),
        ("recording", {"progress": 0.0, "frames_recorded": 599, "file_size": 1396894}),
        (
            "completed",
            {"progress": 100.0, "frames_recorded": 1200, "file_size": 2793788, "gcp_path": "recordings/a.mp4"},
        ),
        (
            "completed",
            {"progress": 100.0, "frames_recorded": 1200, "file_size": 2793788, "gcp_path": "recordings/a.mp4"},
        ),
    ]
    for status, more in reports:
        body = {"recording_id": recording_id, "status": status} | more
        response = await recorder.post("recordings/status", json=body)
        assert response.status_code == 200
        assert response.json() == {"message": "Recording status updated successfully"}

    heartbeat: dict[str, Any] = {
        "client_id": "unknown",
        "active_recordings": 0,
        "available_space_gb": 118.4,
        "last_upload": None,
        "system_info": {"platform": "Linux", "cpu_percent": 12.5},
    }
    response = await recorder.post("heartbeat", json=heartbeat)
    assert response.status_code == 200
    answer = response.json()
    assert (answer["message"], answer["client_id"], answer["status"]) == (
        "Heartbeat received",
        str(recorder.id),
        "online",
    )

    row = await place.row("SELECT * FROM recordings")
    assert (row["status"], row["frames_recorded"], row["file_size"], row["gcp_path"], row["schedule_id"]) == (
        "completed",
        1200,
        2793788,
        "recordings/a.mp4",
        schedule_id,
    )
    contact = await place.row("SELECT * FROM client_contacts")
    assert contact["heartbeat"] == {
        "active_recordings": 0,
        "available_space_gb": 118.4,
        "system_info": {"platform": "Linux", "cpu_percent": 12.5},
    }


ODD_QUERIES = [
    "",
    "client_id=&last_sync=",
    "client_id=unknown&last_sync=yesterday",
    "last_sync=2026-03-01T20:00:00",
    "last_sync=2999-01-01T00:00:00%2B00:00",
    "client_id=a&client_id=b&last_sync=1&last_sync=2",
    "client_id=%00%ff&last_sync=%f0%9f%8e%a5&nonsense[]=1",
]


@pytest.mark.parametrize("path", ["schedules", "cameras"])
async def test_whatever_it_asks_for_it_gets_the_whole_list(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, path: str
) -> None:
    await place.schedule(camera_id)
    for query in ODD_QUERIES:
        response = await recorder.get(f"{path}?{query}")
        assert response.status_code == 200, query
        assert len(response.json()) == 1


async def test_only_what_it_may_record_is_listed_newest_first(
    place: Place, recorder: Recorder, stranger: Recorder
) -> None:
    listed = await place.camera(
        "Gate", ip_address="", rtsp_url="rtsp://10.0.0.9/live", rtsp_url_sub="rtsp://10.0.0.9/sub"
    )
    inactive = await place.camera("Old", is_active=False)
    backend = await place.camera("Cloud", recording_mode="backend")
    others = await place.camera("Elsewhere")
    for camera_id in (listed, inactive, backend):
        await place.assign(recorder, camera_id)
        await place.schedule(camera_id)
    await place.assign(stranger, others)
    await place.schedule(others)
    await place.schedule(listed, "Off", is_active=False)
    newest = await place.schedule(
        listed,
        "Newest",
        schedule_type="weekly",
        days_of_week=["monday"],
        start_date="2026-03-01",
        end_date="2026-04-01",
    )
    schedules = (await recorder.get("schedules")).json()
    assert (schedules[0]["id"], schedules[0]["camera"]["id"]) == (str(newest), str(listed))
    assert [item["name"] for item in schedules] == ["Newest", "Night"]
    assert schedules[0]["days_of_week"] == ["monday"]
    assert (schedules[0]["start_date"], schedules[0]["end_date"]) == ("2026-03-01", "2026-04-01")
    assert schedules[0]["camera"]["rtsp_url_sub"] == "rtsp://10.0.0.9/sub"
    assert schedules[0]["timezone"] == "Europe/Berlin"
    assert [camera["name"] for camera in (await recorder.get("cameras")).json()] == ["Gate", "Yard"]


async def test_without_anything_assigned_the_lists_are_empty(stranger: Recorder) -> None:
    assert (await stranger.get("schedules")).json() == []
    assert (await stranger.get("cameras")).json() == []


async def test_an_unchanged_list_is_not_sent_again(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    await place.schedule(camera_id)
    for path in ("schedules", "cameras", "config"):
        first = await recorder.get(path)
        again = await recorder.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        await place.rows("UPDATE cameras SET location = :location", location=path)
        changed = await recorder.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert changed.status_code == 200
        assert changed.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"client_id": None},
        {"client_id": {"a": [1]}, "active_recordings": None, "available_space_gb": None, "system_info": None},
        {"client_id": "00000000-0000-0000-0000-000000000000", "active_recordings": 3, "unknown": True},
    ],
)
async def test_any_heartbeat_counts_for_the_one_who_has_the_token(
    place: Place, recorder: Recorder, body: dict[str, Any]
) -> None:
    response = await recorder.post("heartbeat", json=body)
    assert response.status_code == 200
    assert response.json()["client_id"] == str(recorder.id)
    assert (await place.row("SELECT client_id FROM client_contacts"))["client_id"] == recorder.id


@pytest.mark.parametrize("path", ["schedules", "heartbeat", "recordings/status"])
async def test_any_call_with_a_good_token_is_a_sign_of_life(place: Place, recorder: Recorder, path: str) -> None:
    # The shipped client's heartbeat fails before it is sent, and what it posts may be refused.
    response = await (recorder.get(path) if path == "schedules" else recorder.post(path, content=b"{"))
    assert response.status_code == (200 if path == "schedules" else 422)
    contact = await place.row(
        "SELECT last_contact_at > now() - interval '1 minute' AS is_fresh, * FROM client_contacts"
    )
    assert contact["is_fresh"]
    assert contact["address"] == "127.0.0.1"
    assert contact["last_heartbeat_at"] is None


async def test_an_answer_without_news_is_a_sign_of_life_too(place: Place, recorder: Recorder) -> None:
    etag = (await recorder.get("schedules")).headers["ETag"]
    await place.rows("UPDATE client_contacts SET last_contact_at = now() - interval '1 hour'")
    assert (await recorder.get("schedules", headers={"If-None-Match": etag})).status_code == 304
    contact = await place.row("SELECT last_contact_at > now() - interval '1 minute' AS is_fresh FROM client_contacts")
    assert contact["is_fresh"]


async def test_nothing_is_ever_redirected(recorder: Recorder) -> None:
    for path in ("health", "schedules", "cameras", "heartbeat", "recordings/register", "gaps", "config"):
        for method in ("GET", "POST"):
            response = await recorder.http.request(method, f"{API}/{path}/")
            assert response.status_code == 404
            assert response.json() == {"detail": "Not Found"}


async def test_another_method_is_405(recorder: Recorder) -> None:
    for call in ("HEAD schedules", "DELETE schedules", "POST cameras", "GET heartbeat", "PUT gaps", "HEAD health"):
        method, path = call.split()
        response = await recorder.http.request(method, f"{API}/{path}")
        assert response.status_code == 405, call
        assert response.headers["Content-Type"] == "application/json"


async def test_both_documents_are_there(place: Place) -> None:
    async with httpx.AsyncClient(base_url=place.service.url) as http:
        docs = await http.get(f"{API}/docs")
        specification = (await http.get(f"{API}/openapi.json")).json()
    assert docs.status_code == 200
    assert (specification["info"]["title"], specification["info"]["version"]) == ("Local Client API", "5.0.0")
    assert specification["servers"] == [{"url": API}]
    for path, operations in specification["paths"].items():
        for operation in operations.values():
            assert path == "/health" or operation["security"] == [{"client_token": []}]
            assert path == "/health" or {"401", "422", "503"} <= set(operation["responses"])
