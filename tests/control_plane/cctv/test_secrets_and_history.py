"""Secrets are in no answer, no row in clear text and no history; every change has its row in the history."""

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text

from control_plane.fleet.cameras import camera_stream_url, camera_sub_stream_url, find_camera
from control_plane.security.principals import UNLIMITED
from control_plane.services import Services
from tests.control_plane.cctv.footage import Footage
from tests.control_plane.cctv.scripts import Script, looks_like_a_token

PASSWORD, IN_URL, IN_SUB_URL, NEXT = "Pa55word-alone", "Pa55word-in-url", "Pa55word-in-sub", "Pa55word-next"


async def history(services: Services) -> list[Any]:
    async with services.engine.connect() as connection:
        query = text(
            "SELECT subject_type, subject_id, kind, actor, address, detail FROM events ORDER BY occurred_at, id"
        )
        return [row._asdict() for row in (await connection.execute(query)).all()]


async def everything_stored(services: Services) -> str:
    """All rows of all tables as text; bytes as they would look when they were no secret."""
    async with services.engine.connect() as connection:
        tables = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        rows = [
            (await connection.execute(text(f"SELECT row_to_json(t)::text FROM {name} AS t"))).scalars().all()  # noqa: S608  - names of our tables
            for name in tables.scalars().all()
        ]
        encrypted = await connection.execute(
            text("SELECT convert_from(password_encrypted, 'UTF8') FROM cameras WHERE password_encrypted IS NOT NULL")
        )
        return "\n".join([row for found in rows for row in found] + list(encrypted.scalars().all()))


async def test_a_cameras_secrets_reach_recorders_and_nobody_else(
    admin: Script, viewer: Script, services: Services
) -> None:
    site = await admin.site()
    parts = await admin.camera(site, username="admin", password=PASSWORD)
    urls = {
        "rtsp_url": f"rtsp://u:{IN_URL}@10.0.0.5/s1",
        "rtsp_url_sub": f"http://10.0.0.5/v?user=u&password={IN_SUB_URL}",
    }
    whole = await admin.camera(site, ip_address="", username="admin", **urls)
    for camera in (parts, whole):
        path = f"cameras/{camera['id']}/"
        await viewer.get(path)
        await admin.change(path, {"name": "Gate"})
        await admin.change(path, {"password": NEXT})
        await admin.change(path, urls)
        await admin.call("PATCH", path, {"password": PASSWORD, "port": -1})
        await admin.call("PATCH", path, {"rtsp_url": f"rtsp://u:{IN_URL}@10.0.0.5:bad/s1"})
        await admin.call("PATCH", path, {"rtsp_url": f"rtsp://u:{IN_URL}@x@10.0.0.5/s1"})
        await admin.call("PATCH", path, {"rtsp_url": {"nested": IN_URL}, PASSWORD: 1})
    await viewer.get("cameras/")
    await admin.delete(f"cameras/{parts['id']}/")
    answers = "\n".join(admin.bodies + viewer.bodies)
    stored = await everything_stored(services)
    for secret in (IN_URL, IN_SUB_URL, NEXT):
        assert secret not in answers
        assert secret not in stored
    # A field of that name is told back by its name, as every unknown field; its value never is.
    assert PASSWORD not in answers.replace(f'"loc":["body","{PASSWORD}"]', "")
    assert PASSWORD not in stored
    async with services.sessions() as session:
        found = await find_camera(session, whole["id"], seen_by=UNLIMITED)
        assert camera_stream_url(found, services.secrets) == urls["rtsp_url"]
        with_user = urls["rtsp_url_sub"].replace("://", f"://admin:{NEXT}@")
        assert camera_sub_stream_url(found, services.secrets) == with_user


async def test_tokens_and_keys_are_shown_once_and_stored_as_hashes(
    admin: Script, operator: Script, services: Services
) -> None:
    site = await admin.site()
    client = await admin.client(site)
    path = f"clients/{client['id']}/"
    rotated = await admin.post(f"{path}rotate-token/")
    shown_once = [body for body in admin.bodies if looks_like_a_token(body)]
    assert len(shown_once) == 2
    assert client["client_token"] in shown_once[0]
    assert rotated["client_token"] in shown_once[1]
    await admin.get(path)
    await admin.get("clients/")
    await operator.change(path, {"name": "Other"})
    await admin.post(f"{path}revoke-tokens/")
    assert not any(looks_like_a_token(body) for body in admin.bodies[len(admin.bodies) - 3 :] + operator.bodies)
    stored = await everything_stored(services)
    assert not looks_like_a_token(stored)
    assert client["client_token"][:10] in stored


async def test_a_secret_that_cant_be_read_breaks_no_list(admin: Script, services: Services) -> None:
    site = await admin.site()
    broken = await admin.camera(site, username="admin", password=PASSWORD)
    whole = await admin.camera(site, name="Gate")
    async with services.engine.begin() as connection:
        update = text("UPDATE cameras SET password_encrypted = 'not by our key' WHERE id = :id")
        await connection.execute(update, {"id": broken["id"]})
    first, second = await admin.all("cameras/")
    assert (first["rtsp_url"], first["has_password"]) == (None, True)
    assert second == whole
    mended = await admin.change(f"cameras/{broken['id']}/", {"password": NEXT})
    assert mended["rtsp_url"] == "rtsp://admin:***@192.168.1.20:554/"


async def test_every_change_has_a_row_in_the_history(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera = await operator.camera(site, username="admin", password=PASSWORD)
    client = await admin.client(site, camera)
    schedule = await operator.schedule(camera)
    before = len(await history(services))
    await admin.change(f"sites/{site['id']}/", {"timezone": "Asia/Kolkata"})
    await operator.change(f"cameras/{camera['id']}/", {"name": "Gate", "port": 554, "password": NEXT})
    await operator.change(f"clients/{client['id']}/", {"camera_ids": []})
    await admin.post(f"clients/{client['id']}/rotate-token/")
    await admin.post(f"clients/{client['id']}/revoke-tokens/")
    await operator.change(f"schedules/{schedule['id']}/", {"segment_seconds": 30})
    await operator.delete(f"schedules/{schedule['id']}/")
    await admin.delete(f"clients/{client['id']}/")
    await operator.delete(f"cameras/{camera['id']}/")
    await admin.delete(f"sites/{site['id']}/")
    rows = await history(services)
    created, rest = rows[:before], rows[before:]
    kinds = [row["kind"] for row in created if row["subject_type"] != "api_key"]
    assert kinds == ["site.created", "camera.created", "client.created", "schedule.created"]
    assert [(row["kind"], row["actor"]) for row in rest] == [
        ("site.changed", "api_key:admin key"),
        ("camera.changed", "api_key:operator key"),
        ("client.changed", "api_key:operator key"),
        ("client.token_rotated", "api_key:admin key"),
        ("client.tokens_revoked", "api_key:admin key"),
        ("schedule.changed", "api_key:operator key"),
        ("schedule.deleted", "api_key:operator key"),
        ("client.deleted", "api_key:admin key"),
        ("camera.deleted", "api_key:operator key"),
        ("site.deleted", "api_key:admin key"),
    ]
    assert {row["address"] for row in rest} == {"192.0.2.7"}
    details = {row["kind"]: row["detail"] for row in rest}
    assert details["site.changed"] == {"timezone": {"before": "Europe/Berlin", "after": "Asia/Kolkata"}}
    assert details["camera.changed"] == {
        "name": {"before": "Yard", "after": "Gate"},
        "password": {"before": "***", "after": "***"},
    }
    assert details["client.changed"] == {"camera_ids": {"before": [camera["id"]], "after": []}}
    assert str(rest[1]["subject_id"]) == camera["id"]
    assert not any(secret in json.dumps(rows, default=str) for secret in (PASSWORD, NEXT, client["client_token"]))


async def test_what_changes_nothing_or_is_refused_leaves_no_row(admin: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    client, schedule = await admin.client(site, camera), await admin.schedule(camera)
    await Footage(services).recording(client, camera, started_at=datetime.now(UTC))
    before = await history(services)
    await admin.change(f"sites/{site['id']}/", {"name": site["name"]})
    await admin.change(f"cameras/{camera['id']}/", camera)
    await admin.change(f"clients/{client['id']}/", {"camera_ids": [camera["id"]]})
    await admin.change(f"schedules/{schedule['id']}/", schedule)
    await admin.refused(409, "DELETE", f"cameras/{camera['id']}/")
    await admin.refused(422, "PATCH", f"cameras/{camera['id']}/", {"ip_address": ""})
    assert await history(services) == before
