"""Links to footage: signed, soon over, for whoever may; and the bytes behind them."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from control_plane.media.links import LIFETIME, MediaLinks, Use
from control_plane.models import Event, Recording, Segment
from control_plane.security.secrets import SecretBox
from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.cctv.footage import Footage
from tests.control_plane.cctv.scripts import Script

CONTENT = bytes(range(256)) * 8192  # two pieces of the folder's store


@pytest.fixture
async def recording(admin: Script, services: Services, settings: Settings) -> Recording:
    site = await admin.site()
    camera = await admin.camera(site)
    footage = Footage(services)
    recording = await footage.recording(await admin.client(site, camera), camera)
    for segment in await footage.segments(recording, 3, stored=2, size_bytes=len(CONTENT)):
        put(settings, segment.object_name)
    return recording


def put(settings: Settings, object_name: str) -> None:
    path = Path(urlsplit(settings.storage_url).path, object_name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)


def empty_the_store(settings: Settings) -> None:
    for path in Path(urlsplit(settings.storage_url).path).rglob("*.mp4"):
        path.unlink()


async def links(script: Script, recording: Recording, use: str = "play", **parameters: Any) -> list[Any]:
    answer = await script.call("POST", f"recordings/{recording.id}/{use}/", params=parameters)
    assert answer.status_code == 200, answer.text
    items: list[Any] = answer.json()["items"]
    return items


async def test_a_link_needs_no_key_and_gives_the_segment(
    viewer: Script, http: httpx.AsyncClient, recording: Recording
) -> None:
    first, second = await links(viewer, recording)
    assert first["url"].startswith("http://control-plane.test/v0/media/segments/")
    answer = await http.get(first["url"])
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.headers["Cache-Control"] == "private, no-store"
    head = await http.head(second["url"])
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, str(len(CONTENT)), b"")


async def test_a_player_leaps(viewer: Script, http: httpx.AsyncClient, recording: Recording) -> None:
    url = (await links(viewer, recording))[0]["url"]
    middle = len(CONTENT) // 2 - 7
    for header, part in (
        (f"bytes={middle}-{middle + 99}", CONTENT[middle : middle + 100]),
        (f"bytes={middle}-", CONTENT[middle:]),
        ("bytes=-10", CONTENT[-10:]),
    ):
        answer = await http.get(url, headers={"Range": header})
        assert (answer.status_code, answer.content) == (206, part)
        assert answer.headers["Content-Length"] == str(len(part))
        start = CONTENT.index(part) if len(part) == len(CONTENT) else len(CONTENT) - len(part)
        if header.endswith("-") or header.startswith("bytes=-"):
            assert answer.headers["Content-Range"] == f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    beyond = await http.get(url, headers={"Range": f"bytes={len(CONTENT)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(CONTENT)}")


async def test_only_what_is_stored_has_a_link_page_by_page(viewer: Script, recording: Recording) -> None:
    whole = await links(viewer, recording)
    assert len(whole) == 2
    page = await viewer.call("POST", f"recordings/{recording.id}/play/", params={"limit": 1})
    rest = await links(viewer, recording, cursor=page.json()["next_cursor"])
    assert [one["id"] for one in (*page.json()["items"], *rest)] == [one["id"] for one in whole]


async def test_downloading_is_an_operators(
    viewer: Script, operator: Script, http: httpx.AsyncClient, recording: Recording
) -> None:
    await viewer.refused(403, "POST", f"recordings/{recording.id}/download/")
    answer = await http.get((await links(operator, recording, "download"))[0]["url"])
    assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{recording.camera_id}_')
    assert answer.content == CONTENT


async def test_whoever_asked_for_footage_is_in_the_audit_log_and_the_link_is_not(
    viewer: Script, services: Services, recording: Recording
) -> None:
    url = (await links(viewer, recording))[0]["url"]
    secret = parse_qs(urlsplit(url).query)["link"][0]
    async with services.sessions() as session:
        event = (await session.scalars(select(Event).where(Event.kind == "camera.footage_linked"))).one()
    assert (event.subject_id, event.actor) == (recording.camera_id, "api_key:viewer key")
    assert event.detail["recording_id"] == str(recording.id)
    assert secret not in str(event.detail)


async def test_a_link_that_is_over_changed_or_another_segments_gives_nothing(
    viewer: Script, http: httpx.AsyncClient, services: Services, recording: Recording
) -> None:
    first, second = await links(viewer, recording)
    async with services.sessions() as session:
        segment = (await session.scalars(select(Segment).where(Segment.id == uuid.UUID(first["id"])))).one()
    old = datetime.now(UTC) - LIFETIME - timedelta(seconds=1)
    over = MediaLinks(services.secrets).link(segment, services.store.url, Use.PLAY, old).path
    strange = SecretBox("a" * 43 + "=")
    foreign = MediaLinks(strange).link(segment, services.store.url, Use.PLAY, datetime.now(UTC)).path
    path, _, query = first["url"].partition("?")
    said, _, signature = query.removeprefix("link=").partition(".")
    for url in (
        over,
        foreign,
        path,
        f"{path}?link=",
        f"{path}?link=.",
        f"{path}?link={said}",
        f"{path}?link={said}.{signature[:-2]}AA",
        f"{path}?link={said[:-4]}AAAA.{signature}",
        f"{path}?link=%C3%BC.%00",
        second["url"].partition("?")[0] + "?" + query,
    ):
        answer = await http.get(url)
        assert answer.status_code == 403, url
        assert answer.json() == {"detail": "This link is over, or is none: ask for another."}


async def test_a_segment_that_went_from_the_store_is_not_found(
    viewer: Script, http: httpx.AsyncClient, settings: Settings, recording: Recording
) -> None:
    url = (await links(viewer, recording))[0]["url"]
    empty_the_store(settings)
    answer = await http.get(url)
    assert (answer.status_code, answer.json()["detail"]) == (404, "The store does not have this segment any more.")
