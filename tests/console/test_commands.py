"""Commands from the console: asked with a question before, followed on a page of their own."""

import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import av
import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from playwright.async_api import Browser, expect
from sqlalchemy import select, update

from camfleet_contract.commands import CommandKind, Snapshot
from control_plane.events import COMMAND_LINE
from control_plane.fleet.sites import NewSite, create_site
from control_plane.models import ClientContact, Command, Operator, Role
from control_plane.service import RunningService
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.pages import WIDE, ConsolePages, chromium
from tests.console.visitor import PASSWORD, Visitor, path_of, text_of
from tests.control_plane.tasks import in_a_task

LogIn = Callable[[Role], Awaitable[Visitor]]
TESTED = {
    "codec": "hevc",
    "width": 2560,
    "height": 1440,
    "frames_per_second": 12.5,
    "audio": "aac",
    "transport": "tcp",
    "seconds_to_keyframe": 1.42,
}
API = "/v0/api/local-client"


def a_picture() -> dict[str, Any]:
    """What a recorder sends of a grey wall."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 640, 360, "yuvj420p"
    frame = av.VideoFrame(640, 360, "yuvj420p")
    for plane in frame.planes:
        plane.update(bytes([128]) * plane.buffer_size)
    content = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    return Snapshot.of(content, width=640, height=360, taken_at=datetime.now(UTC)).model_dump(mode="json")


async def online(services: Services, client_id: uuid.UUID) -> None:
    async with services.sessions.begin() as session:
        await session.merge(ClientContact(client_id=client_id, last_contact_at=datetime.now(UTC)))


async def asked(services: Services) -> list[Command]:
    async with services.sessions() as session:
        return list(await session.scalars(select(Command).order_by(Command.id)))


async def test_an_operator_asks_and_a_viewer_sees_what_came_of_it(
    as_role: LogIn, services: Services, fleet: Fleet
) -> None:
    operator, viewer = await as_role(Role.OPERATOR), await as_role(Role.VIEWER)
    await online(services, fleet.client)
    page = f"/camera/details/{fleet.camera}"
    for what, kind in (("test", "test_camera"), ("snapshot", "snapshot"), ("stop", "stop_recording")):
        led_to = path_of(await operator.post(f"/camera/{fleet.camera}/ask/{what}"))
        command = (await asked(services))[-1]
        assert (led_to, command.kind, command.asked_by) == (f"/command/details/{command.id}", kind, "operator:operator")
        assert "Waiting for the recorder" in text_of(await viewer.get(led_to))
    led_to = path_of(await operator.post(f"/camera/{fleet.camera}/ask/record", {"minutes": "15"}))
    assert (await asked(services))[-1].minutes == 15
    for listing in (page, "/command/list", f"/command/list?camera={fleet.camera}&open=yes&kind=snapshot"):
        assert "Snapshot" in text_of(await viewer.get(listing))
    assert "Snapshot" not in text_of(await viewer.get("/command/list", kind="restart")).split("Search")[-1]
    async with services.sessions.begin() as session:
        await session.execute(update(Command).values(expires_at=datetime.now(UTC)))
    assert "not answered" in text_of(await viewer.get(led_to))


@pytest.mark.parametrize("minutes", ["", "0", "1441", "soon", "-5", "٣", "9" * 5000])
async def test_minutes_that_make_no_sense_are_told(
    as_role: LogIn, services: Services, fleet: Fleet, minutes: str
) -> None:
    operator = await as_role(Role.OPERATOR)
    await online(services, fleet.client)
    page = f"/camera/details/{fleet.camera}"
    assert path_of(await operator.post(f"/camera/{fleet.camera}/ask/record", {"minutes": minutes})) == page
    assert "must be a whole number" in text_of(await operator.get(page))
    assert await asked(services) == []


async def test_a_recorder_that_is_offline_is_told_of_at_once(as_role: LogIn, services: Services, fleet: Fleet) -> None:
    admin = await as_role(Role.ADMIN)
    page = f"/camera/details/{fleet.camera}"
    assert path_of(await admin.post(f"/camera/{fleet.camera}/ask/test")) == page
    assert "was not heard of" in text_of(await admin.get(page))
    page = f"/client/details/{fleet.client}"
    assert path_of(await admin.post(f"/client/{fleet.client}/restart")) == page
    assert "was not heard of" in text_of(await admin.get(page))
    assert await asked(services) == []


async def test_a_recorder_is_restarted_and_gets_a_token_from_an_admin(
    as_role: LogIn, services: Services, fleet: Fleet
) -> None:
    admin = await as_role(Role.ADMIN)
    await online(services, fleet.client)
    for path, kind in (("restart", CommandKind.RESTART), ("deliver-token", CommandKind.ROTATE_TOKEN)):
        led_to = path_of(await admin.post(f"/client/{fleet.client}/{path}"))
        assert (await asked(services))[-1].kind is kind
        shown = await admin.get(led_to)
        assert "Waiting for the recorder" in text_of(shown)
        assert "cfr_" not in shown.text
    assert "New token for the recorder" in text_of(await admin.get(f"/client/details/{fleet.client}"))


async def test_nobody_else_asks(as_role: LogIn, services: Services, fleet: Fleet) -> None:
    await online(services, fleet.client)
    of_camera = [f"/camera/{fleet.camera}/ask/{what}" for what in ("test", "snapshot", "record", "stop")]
    of_client = [f"/client/{fleet.client}/{what}" for what in ("restart", "deliver-token")]
    viewer, operator = await as_role(Role.VIEWER), await as_role(Role.OPERATOR)
    for path in (*of_camera, *of_client):
        assert (await viewer.post(path)).status_code == 403
    for path in of_client:
        assert (await operator.post(path)).status_code == 403
    for path in (*of_camera, *of_client):
        assert (await operator.get(path)).status_code in {404, 405}, "reading changes nothing"
        forged = await operator.client.post(f"/admin{path}", data={"csrf_token": "forged", "minutes": "1"})
        assert forged.status_code == 403
    assert await asked(services) == []
    assert "/ask/test" not in (await viewer.get(f"/camera/details/{fleet.camera}")).text
    assert "/restart" not in (await operator.get(f"/client/details/{fleet.client}")).text
    for path in (f"/camera/{uuid.uuid4()}/ask/test", "/camera/nonsense/ask/test", f"/camera/{fleet.camera}/ask/dance"):
        assert (await operator.post(path)).status_code == 404
    for path in ("state?shown=asked", "picture"):
        assert (await operator.get(f"/command/{uuid.uuid4()}/{path}")).status_code == 404
        assert (await operator.get(f"/command/nonsense/{path}")).status_code == 404


async def test_for_an_operator_of_another_site_there_is_nothing_to_ask(
    app: FastAPI, services: Services, fleet: Fleet, as_role: LogIn, password_hash: str
) -> None:
    await online(services, fleet.client)
    operator = await as_role(Role.OPERATOR)
    await operator.post(f"/camera/{fleet.camera}/ask/snapshot")
    (command,) = await asked(services)
    async with services.sessions.begin() as session:
        far = await create_site(session, NewSite(name="Far away"), actor=COMMAND_LINE)
        session.add(Operator(username="far", password_hash=password_hash, role=Role.ADMIN, site_ids=[far.id]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://console.test") as client:
        stranger = Visitor(client)
        await stranger.log_in("far")
        for path in (f"/camera/{fleet.camera}/ask/test", f"/client/{fleet.client}/restart"):
            assert (await stranger.post(path)).status_code == 404
        assert (await stranger.post(f"/client/{fleet.client}/deliver-token")).status_code == 404
        for page in (f"details/{command.id}", f"{command.id}/state?shown=asked", f"{command.id}/picture"):
            assert (await stranger.get(f"/command/{page}")).status_code == 404
        assert str(command.id) not in (await stranger.get("/command/list")).text
    assert len(await asked(services)) == 1


# In a real browser


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with in_a_task(chromium()) as browser:
        yield browser


@pytest_asyncio.fixture
async def console(
    server: RunningService, fleet: Fleet, browser: Browser, password_hash: str
) -> AsyncIterator[ConsolePages]:
    async with server.services.sessions.begin() as session:
        session.add(Operator(username="ada", password_hash=password_hash, role=Role.ADMIN))
    context = await browser.new_context(viewport={"width": WIDE["width"], "height": WIDE["height"]})
    pages = ConsolePages(await context.new_page(), server.url)
    pages.page.set_default_timeout(15_000)
    await pages.log_in("ada", PASSWORD)
    yield pages
    await context.close()
    assert pages.complaints == []


@pytest_asyncio.fixture
async def recorder(server: RunningService, fleet: Fleet) -> AsyncIterator[httpx.AsyncClient]:
    """The recorder's side of the wire; it has called already."""
    headers = {"Authorization": f"Bearer {fleet.token}"}
    async with httpx.AsyncClient(base_url=server.url + API, headers=headers, timeout=30) as http:
        assert (await http.post("/heartbeat", json={})).status_code == 200
        yield http


async def tells(recorder: httpx.AsyncClient, console: ConsolePages, state: str, **more: Any) -> None:
    """The recorder tells it of the command whose page is open."""
    command_id = console.page.url.rpartition("/")[2]
    response = await recorder.post(f"/commands/{command_id}/result", json={"state": state} | more)
    assert response.status_code == 200, response.text


@pytest.mark.timeout(180)
async def test_commands_in_the_browser(
    console: ConsolePages, server: RunningService, fleet: Fleet, recorder: httpx.AsyncClient
) -> None:
    page = console.page
    await console.open(f"/camera/details/{fleet.camera}")
    await console.heading("Yard")
    await page.get_by_role("button", name="Test connection").click()
    await page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert await asked(server.services) == [], "nothing is asked before the question is answered"
    await console.picture("camera-commands")
    await page.get_by_role("button", name="Test connection").click()
    await page.get_by_role("dialog").get_by_role("button", name="Test").click()
    await console.heading("Test camera")
    await expect(page.get_by_role("status")).to_contain_text("Waiting for the recorder")
    await console.picture("command-waits")
    await tells(recorder, console, "accepted")
    await expect(page.get_by_role("status")).to_contain_text("The recorder is at it")
    await tells(recorder, console, "done", result={"camera": TESTED})
    await expect(page.locator("#answer")).to_contain_text("hevc, 2560 x 1440, 12.5 frames/s")
    await expect(page.get_by_role("status")).to_have_count(0)
    await console.picture("command-tested")

    await console.open(f"/camera/details/{fleet.camera}")
    await page.get_by_role("button", name="Snapshot").click()
    await page.get_by_role("dialog").get_by_role("button", name="Take it").click()
    await console.heading("Snapshot")
    await tells(recorder, console, "done", result={"snapshot": a_picture()})
    picture = page.locator("#answer img")
    await expect(picture).to_be_visible()
    await expect(picture).to_have_js_property("naturalWidth", 640)
    await console.picture("command-snapshot")

    await console.open(f"/camera/details/{fleet.camera}")
    await page.get_by_label("Minutes").fill("5")
    await page.get_by_role("button", name="Record now").click()
    await page.get_by_role("dialog").get_by_role("button", name="Record").click()
    await console.heading("Record now")
    await tells(recorder, console, "failed", detail="The camera refuses the password.")
    await expect(page.locator("#answer")).to_contain_text("The camera refuses the password.")

    await console.open(f"/client/details/{fleet.client}")
    await page.get_by_role("button", name="Send a new token").click()
    await page.get_by_role("dialog").get_by_role("button", name="Send").click()
    await console.heading("New token for the recorder")
    await console.open("/command/list")
    await expect(page.locator("tbody tr")).to_have_count(4)
    await expect(page.locator("tbody tr").first).to_contain_text(re.compile("waits for the recorder"))
    await console.picture("commands")
