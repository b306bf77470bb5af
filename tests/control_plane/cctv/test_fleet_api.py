"""What scripts do with sites, clients, cameras and schedules."""

import uuid

import pytest

from control_plane.services import Services
from tests.control_plane.cctv.scripts import Script, fields_refused

NOBODY = "018f4d2e-5a3b-7c1d-9e2f-3a4b5c6d7e8f"


async def test_health_and_the_document_need_no_key(admin: Script) -> None:
    nobody = Script(admin.http, None)
    assert await nobody.get("health") == {"status": "healthy", "service": "CCTV API", "version": "4.0.0"}
    document = await nobody.get("openapi.json")
    assert (document["info"]["title"], document["info"]["version"]) == ("CCTV API", "4.0.0")
    assert (await nobody.call("GET", "docs")).status_code == 200


async def test_a_site_is_created_shown_changed_and_deleted(admin: Script) -> None:
    site = await admin.site("Harbour", "Europe/Berlin")
    assert await admin.get(f"sites/{site['id']}/") == site
    changed = await admin.change(f"sites/{site['id']}/", {"name": "Old harbour"})
    assert (changed["name"], changed["timezone"]) == ("Old harbour", "Europe/Berlin")
    assert changed["updated_at"] > site["updated_at"]
    await admin.delete(f"sites/{site['id']}/")
    assert await admin.refused(404, "GET", f"sites/{site['id']}/") == f"There is no site {site['id']}."


async def test_names_of_sites_are_unique(admin: Script) -> None:
    await admin.site("Harbour")
    other = await admin.site("Mill")
    expected = "There is a site named 'Harbour' already."
    assert await admin.refused(409, "POST", "sites/", {"name": " Harbour "}) == expected
    assert await admin.refused(409, "PATCH", f"sites/{other['id']}/", {"name": "Harbour"}) == expected
    assert (await admin.get(f"sites/{other['id']}/"))["name"] == "Mill"


async def test_an_unknown_zone_is_refused_with_a_hint(admin: Script) -> None:
    detail = await admin.refused(422, "POST", "sites/", {"name": "Harbour", "timezone": "Europe/Berlim"})
    assert "Europe/Berlin" in fields_refused(detail)["timezone"]


async def test_a_site_with_cameras_or_clients_is_not_deleted(admin: Script) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    assert "has cameras or clients" in await admin.refused(409, "DELETE", f"sites/{site['id']}/")
    await admin.delete(f"cameras/{camera['id']}/")
    await admin.client(site)
    assert "has cameras or clients" in await admin.refused(409, "DELETE", f"sites/{site['id']}/")


async def test_paths_work_without_their_last_slash_and_never_redirect(admin: Script) -> None:
    site = await admin.create("sites", {"name": "Harbour"})
    assert (await admin.get("sites"))["items"] == [site]
    assert await admin.get(f"sites/{site['id']}") == site
    assert await admin.change(f"sites/{site['id']}", {"name": "Harbour"}) == site
    await admin.delete(f"sites/{site['id']}")


async def test_a_new_client_comes_with_its_token_and_env_once(admin: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    client = await admin.client(site, camera)
    assert client["client_token"].startswith("cfr_")
    lines = client["env"].splitlines()
    assert "BACKEND_API_URL=http://control-plane.test" in lines
    assert f"CLIENT_TOKEN={client['client_token']}" in lines
    assert f"CLIENT_ID={client['id']}" in lines
    assert f"STORAGE_URL={services.settings.storage_url}" in lines
    shown = await admin.get(f"clients/{client['id']}/")
    assert shown == {name: value for name, value in client.items() if name not in {"client_token", "env"}}
    assert (shown["camera_ids"], shown["status"], shown["last_contact_at"]) == ([camera["id"]], "offline", None)


async def test_a_client_records_only_cameras_of_its_site(admin: Script) -> None:
    here, there = await admin.site("Here"), await admin.site("There")
    ours, theirs = await admin.camera(here), await admin.camera(there)
    body = {"name": "Box", "site_id": here["id"], "camera_ids": [ours["id"], theirs["id"]]}
    refused = fields_refused(await admin.refused(422, "POST", "clients/", body))
    assert theirs["id"] in refused["camera_ids"]
    assert ours["id"] not in refused["camera_ids"]
    client = await admin.client(here, ours)
    path = f"clients/{client['id']}/"
    await admin.refused(422, "PATCH", path, {"camera_ids": [NOBODY]})
    assert "take them off" in await admin.refused(409, "PATCH", path, {"site_id": there["id"]})
    moved = await admin.change(path, {"site_id": there["id"], "camera_ids": [theirs["id"]]})
    assert (moved["site_id"], moved["camera_ids"]) == (there["id"], [theirs["id"]])


async def test_an_assigned_camera_does_not_move_to_another_site(admin: Script) -> None:
    here, there = await admin.site("Here"), await admin.site("There")
    camera = await admin.camera(here)
    client = await admin.client(here, camera)
    path = f"cameras/{camera['id']}/"
    assert "is assigned to a client" in await admin.refused(409, "PATCH", path, {"site_id": there["id"]})
    assert (await admin.change(f"clients/{client['id']}/", {"camera_ids": []}))["camera_ids"] == []
    assert (await admin.change(path, {"site_id": there["id"]}))["site_id"] == there["id"]


async def test_a_rotated_token_overlaps_and_a_revoked_one_ends(admin: Script) -> None:
    client = await admin.client(await admin.site())
    rotated = await admin.post(f"clients/{client['id']}/rotate-token/")
    assert rotated["client_token"] != client["client_token"]
    assert f"CLIENT_TOKEN={rotated['client_token']}" in rotated["env"].splitlines()
    assert await admin.post(f"clients/{client['id']}/revoke-tokens/") == {"revoked": 2}
    assert await admin.post(f"clients/{client['id']}/revoke-tokens/") == {"revoked": 0}


async def test_a_camera_is_put_together_from_its_parts(admin: Script) -> None:
    site = await admin.site()
    parts = {"port": 8554, "username": "admin", "password": "p@ss/w#rd", "rtsp_path": "stream1?channel=2"}
    camera = await admin.camera(site, **parts)
    assert camera["rtsp_url"] == "rtsp://admin:***@192.168.1.20:8554/stream1?channel=2"
    assert (camera["has_password"], camera["rtsp_path"]) == (True, "/stream1?channel=2")
    cleared = await admin.change(f"cameras/{camera['id']}/", {"password": None, "username": None})
    assert (cleared["has_password"], cleared["rtsp_url"]) == (False, "rtsp://192.168.1.20:8554/stream1?channel=2")
    assert "password" not in cleared


async def test_what_a_change_does_not_give_stays(admin: Script) -> None:
    given = {"location": "Pier 4", "username": "admin", "password": "hunter2hunter2", "record_quality": "high"}
    camera = await admin.camera(await admin.site(), **given)
    changed = await admin.change(f"cameras/{camera['id']}/", {"name": "Gate"})
    assert changed == camera | {"name": "Gate", "updated_at": changed["updated_at"]}
    assert (await admin.change(f"cameras/{camera['id']}/", {"location": None}))["location"] is None
    same = await admin.change(f"cameras/{camera['id']}/", {})
    assert same["updated_at"] > changed["updated_at"]
    assert await admin.change(f"cameras/{camera['id']}/", {"name": "Gate"}) == same


async def test_a_camera_sent_back_as_it_was_shown_keeps_its_secrets(admin: Script) -> None:
    camera = await admin.camera(await admin.site(), ip_address="", rtsp_url="rtsp://admin:hunter2hunter2@10.0.0.5/s1")
    path = f"cameras/{camera['id']}/"
    assert await admin.change(path, camera | {"name": "Gate"}) == camera | {
        "name": "Gate",
        "updated_at": (await admin.get(path))["updated_at"],
    }
    detail = await admin.refused(422, "PATCH", path, {"rtsp_url": "rtsp://admin:***@10.0.0.6/s1"})
    assert "masked" in fields_refused(detail)["rtsp_url"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"ip_address": ""}, "ip_address"),
        ({"username": ""}, "username"),
        ({"ip_address": "192.168.1.300"}, "ip_address"),
        ({"ip_address": "a b"}, "ip_address"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": 10**30}, "port"),
        ({"rtsp_path": "/a b"}, "rtsp_path"),
        ({"rtsp_url": "ftp://10.0.0.5/s1"}, "rtsp_url"),
        ({"rtsp_url": "rtsp://"}, "rtsp_url"),
        ({"rtsp_url": "rtsp://admin:p@ss@10.0.0.5/s1"}, "rtsp_url"),
        ({"rtsp_url": "rtsp://10.0.0.5:99999/s1"}, "rtsp_url"),
        ({"rtsp_url_sub": "javascript:alert(1)"}, "rtsp_url_sub"),
        ({"rtsp_transport": "multicast"}, "rtsp_transport"),
        ({"rtsp_transport": ""}, "rtsp_transport"),
        ({"recorded_stream": "sub"}, "recorded_stream"),
        ({"recorded_stream": "both"}, "recorded_stream"),
        ({"recorded_stream": None}, "recorded_stream"),
        ({"name": ""}, "name"),
        ({"name": " \t "}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"name": None}, "name"),
        ({"is_active": None}, "is_active"),
        ({"location": "x" * 256}, "location"),
        ({"site_id": NOBODY}, "site_id"),
        ({"site_id": "not a uuid"}, "site_id"),
        ({"camera_type": "drone"}, "camera_type"),
        ({"recording_mdoe": "backend"}, "recording_mdoe"),
    ],
)
async def test_a_camera_that_makes_no_sense_is_refused_at_its_field(
    admin: Script, given: dict[str, object], field: str
) -> None:
    site = await admin.site()
    body = {
        "name": "Yard",
        "site_id": site["id"],
        "ip_address": "10.0.0.5",
        "username": "u",
        "password": "hunter2hunter2",
    }
    answer = await admin.call("POST", "cameras/", body | given)
    assert answer.status_code == 422, answer.text
    assert list(fields_refused(answer.json()["detail"])) == [field]
    assert "hunter2hunter2" not in answer.text
    assert "p@ss" not in answer.text


async def test_how_a_camera_is_read_is_chosen_and_chosen_back(admin: Script) -> None:
    camera = await admin.camera(await admin.site())
    assert (camera["rtsp_transport"], camera["recorded_stream"]) == (None, "main")
    path = f"cameras/{camera['id']}/"
    chosen = {"rtsp_transport": "udp", "recorded_stream": "sub"}
    changed = await admin.change(path, chosen | {"rtsp_url_sub": "rtsp://192.168.1.20:554/2"})
    assert chosen.items() <= changed.items()
    detail = await admin.refused(422, "PATCH", path, {"rtsp_url_sub": None})
    assert list(fields_refused(detail)) == ["recorded_stream"]
    back = await admin.change(path, {"rtsp_transport": None, "recorded_stream": "main", "rtsp_url_sub": None})
    assert back | {"updated_at": ""} == camera | {"updated_at": ""}


async def test_half_a_surrogate_pair_is_refused(admin: Script) -> None:
    answer = await admin.call("POST", "sites/", content=rb'{"name": "\ud800"}', media_type="application/json")
    assert answer.status_code == 422, answer.text


async def test_a_schedule_is_created_shown_changed_and_deleted(admin: Script) -> None:
    camera = await admin.camera(await admin.site(timezone="Asia/Kolkata"))
    times = {"start_time": "22:00:00", "end_time": "06:00:00"}
    schedule = await admin.schedule(camera, schedule_type="daily", **times)
    assert (schedule["start_time"], schedule["end_time"], schedule["timezone"]) == (
        "22:00:00",
        "06:00:00",
        "Asia/Kolkata",
    )
    assert (schedule["days_of_week"], schedule["start_date"], schedule["segment_seconds"]) == ([], None, 60)
    path = f"schedules/{schedule['id']}/"
    weekly = {"schedule_type": "weekly", "days_of_week": ["sunday", "monday", "sunday"], "start_date": "2026-03-01"}
    assert (await admin.change(path, weekly))["days_of_week"] == ["monday", "sunday"]
    assert (await admin.change(path, {"start_date": None}))["start_date"] is None
    assert await admin.get(path) in (await admin.get("schedules/", camera_id=camera["id"]))["items"]
    await admin.delete(path)
    assert (await admin.get("schedules/"))["items"] == []


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"schedule_type": "daily"}, {"start_time", "end_time"}),
        ({"schedule_type": "daily", "start_time": "08:00:00", "end_time": "08:00:00"}, {"end_time"}),
        ({"schedule_type": "weekly", "start_time": "08:00:00", "end_time": "09:00:00"}, {"days_of_week"}),
        ({"schedule_type": "once", "start_time": "08:00:00", "end_time": "09:00:00"}, {"start_date"}),
        ({"start_date": "2026-03-02", "end_date": "2026-03-01"}, {"end_date"}),
        ({"start_date": "0001-01-01"}, {"start_date"}),
        ({"start_date": "2026-02-30"}, {"start_date"}),
        ({"start_time": "25:00:00"}, {"start_time"}),
        ({"start_time": 3600}, {"start_time"}),
        ({"days_of_week": ["someday"]}, {"days_of_week.0"}),
        ({"segment_seconds": 1}, {"segment_seconds"}),
        ({"camera_id": NOBODY}, {"camera_id"}),
    ],
)
async def test_a_schedule_that_makes_no_sense_is_refused_at_its_fields(
    admin: Script, given: dict[str, object], fields: set[str]
) -> None:
    camera = await admin.camera(await admin.site())
    body = {"name": "Night", "camera_id": camera["id"], "schedule_type": "continuous"} | given
    assert set(fields_refused(await admin.refused(422, "POST", "schedules/", body))) == fields


async def test_a_change_that_spoils_a_schedule_as_a_whole_is_refused(admin: Script) -> None:
    camera = await admin.camera(await admin.site())
    times = {"start_time": "08:00:00", "end_time": "09:00:00"}
    schedule = await admin.schedule(camera, schedule_type="weekly", days_of_week=["friday"], **times)
    detail = await admin.refused(422, "PATCH", f"schedules/{schedule['id']}/", {"days_of_week": []})
    assert fields_refused(detail) == {
        "days_of_week": "must name at least one day on which the weekly schedule starts",
    }
    assert await admin.get(f"schedules/{schedule['id']}/") == schedule


@pytest.mark.parametrize("path", ["sites", "clients", "cameras", "schedules", "recordings"])
async def test_ids_that_are_none_are_refused_and_unknown_ones_not_found(admin: Script, path: str) -> None:
    await admin.refused(422, "GET", f"{path}/1/")
    await admin.refused(422, "GET", f"{path}/%00/")
    assert str(NOBODY) in await admin.refused(404, "GET", f"{path}/{uuid.UUID(NOBODY)}/")


async def test_bodies_that_are_no_json_objects_are_refused(admin: Script) -> None:
    for content in (b"", b"{", b"[]", b'"x"', b"null", b"\xff", b"[" * 100_000):
        answer = await admin.call("POST", "sites/", content=content, media_type="application/json")
        assert answer.status_code in {400, 422}, answer.text


async def test_a_body_that_does_not_say_it_is_json_gets_a_hint(admin: Script) -> None:
    for media_type in ("application/x-www-form-urlencoded", "text/plain", ""):
        answer = await admin.call("POST", "sites/", content=b'{"name": "Harbour"}', media_type=media_type)
        assert answer.status_code == 415
        assert answer.json() == {
            "detail": "Send the body as JSON, with the header Content-Type: application/json.",
        }
    body = b'{"name": "Harbour"}'
    answer = await admin.call("POST", "sites/", content=body, media_type="application/json; charset=utf-8")
    assert answer.status_code == 201


async def test_the_preview_is_no_schedule(admin: Script) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        answer = await admin.call(method, "schedules/preview/", {})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST"), answer.text
    await admin.refused(422, "GET", "schedules/previews/")
