"""What an operator does in the console, in a real browser: sites, cameras, recorders, schedules."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from sqlalchemy import select

from control_plane.events import COMMAND_LINE
from control_plane.models import Camera, Event, Role
from control_plane.security.operators import create_operator
from control_plane.service import RunningService
from tests.console.conftest import CAMERA_PASSWORD
from tests.console.pages import WIDE, ConsolePages, chromium
from tests.console.visitor import PASSWORD
from tests.control_plane.tasks import in_a_task

pytestmark = pytest.mark.timeout(180)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with in_a_task(chromium()) as browser:
        yield browser


@pytest_asyncio.fixture
async def console(server: RunningService, browser: Browser) -> AsyncIterator[ConsolePages]:
    """An admin's window, logged in. The browser must have had nothing to complain of at the end."""
    async with server.services.sessions.begin() as session:
        await create_operator(session, "ada", PASSWORD, Role.ADMIN, actor=COMMAND_LINE)
    context = await browser.new_context(viewport={"width": WIDE["width"], "height": WIDE["height"]})
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    pages = ConsolePages(await context.new_page(), server.url)
    pages.page.set_default_timeout(15_000)
    await pages.log_in("ada", PASSWORD)
    yield pages
    await context.close()
    assert pages.complaints == []


async def make_site(console: ConsolePages) -> None:
    await console.menu("Sites")
    await console.new("site")
    await console.fill(name="Depot north")
    await console.field("timezone").locator(".select2-selection").click()
    await console.page.locator(".select2-search__field").fill("Berlin")
    await console.page.locator(".select2-results__option", has_text="Europe/Berlin").click()
    await console.picture("site-form")
    await console.save()
    await console.heading("Depot north")


async def make_camera(console: ConsolePages, name: str = "Yard", address: str = "192.0.2.7") -> None:
    await console.menu("Cameras")
    await console.new("camera")
    await console.fill(name=name, ip_address=address, username="viewer", password=CAMERA_PASSWORD, rtsp_path="/s1")
    await console.choose("site_id", "Depot north")
    await console.save()
    await console.heading(name)


async def make_client(console: ConsolePages) -> str:
    await console.menu("Local Recording Clients")
    await console.new("local recording client")
    await console.fill(name="Box 1")
    await console.choose("site_id", "Depot north")
    await console.choose("camera_ids", "Yard")
    await console.picture("client-form")
    await console.save()
    return await console.token()


async def test_from_an_empty_console_to_a_scheduled_camera(  # noqa: PLR0915 - one long story
    console: ConsolePages, server: RunningService
) -> None:
    page = console.page
    await console.picture("overview-empty")
    await make_site(console)
    await console.picture("site")

    await make_camera(console)
    await console.picture("camera")
    assert CAMERA_PASSWORD not in await page.content()
    await page.get_by_role("link", name="Edit").click()
    await expect(console.field("password").locator("input")).to_have_value("")
    await console.picture("camera-form")
    await page.get_by_role("link", name="Cancel").click()
    await console.menu("Cameras")
    await console.picture("cameras")

    token = await make_client(console)
    await console.picture("client-token")
    env_file = await console.env_file()
    assert f"BACKEND_API_URL={server.url}\n" in env_file
    assert f"CLIENT_TOKEN={token}\n" in env_file
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {token}"}) as recorder:
        answer = await recorder.get(f"{server.url}/v0/api/local-client/cameras")
        assert [camera["name"] for camera in answer.json()] == ["Yard"]
    await page.reload()
    assert token not in await page.content()
    await console.picture("client-token-again")
    await page.get_by_role("link", name="Back to Box 1").click()
    await console.heading("Box 1")
    await page.go_back()
    await console.heading("The token was shown once")
    assert token not in await page.content()
    await page.get_by_role("link", name="Back to Box 1").click()
    await console.picture("client")
    await console.menu("Local Recording Clients")
    await expect(page.locator("td[data-column=status]")).to_have_text("online")
    await console.picture("clients")

    await console.menu("Recording Schedules")
    await console.new("recording schedule")
    await console.fill(name="Nights")
    await console.choose("camera_id", "Yard")
    await expect(page.locator("[data-zone-note]")).to_contain_text("Europe/Berlin")
    await page.get_by_label("Records").select_option("weekly")
    await page.locator(".form-selectgroup-label", has_text="Mon").click()
    await console.fill(start_time="22:00:00", end_time="06:00:00")
    await console.picture("schedule-form")
    await console.save()
    await console.heading("Nights")
    await console.picture("schedule")
    await console.menu("Recording Schedules")
    await expect(page.locator("td[data-column=when]")).to_have_text("Mon 22:00:00–06:00:00 (next day)")
    await console.picture("schedules")

    for name in ("Recordings", "Sites", "Operators", "Events", "Audit"):
        await console.menu(name)
        await console.picture(name.lower())
    await console.open("/")
    await console.picture("overview")


async def test_what_is_wrong_is_found_from_the_overview(console: ConsolePages, server: RunningService) -> None:
    page = console.page
    await make_site(console)
    await make_camera(console)
    await make_camera(console, "Gate", "192.0.2.8")
    async with server.services.sessions.begin() as session:
        for number, camera in enumerate(await session.scalars(select(Camera).order_by(Camera.name))):
            began = datetime.now(UTC) - timedelta(hours=2)
            detail = {"name": camera.name, "condition": "unreachable", "reason": "no route to host"}
            ended = began + timedelta(minutes=7) if number else None
            told = {"kind": "camera.down", "actor": "control-plane", "is_lasting": True, "ended_at": ended}
            session.add(Event(subject_type="camera", subject_id=camera.id, occurred_at=began, detail=detail, **told))
    await console.open("/")
    await expect(page.locator("#going-on tr")).to_have_count(1)
    await expect(page.locator("#going-on")).to_contain_text("unreachable: no route to host")
    await console.picture("overview-troubled")
    await page.get_by_role("link", name="1 open").click()
    await console.heading("Events")
    await expect(page.locator("td[data-column=about]")).to_have_text(["Gate"])
    await page.get_by_label("State").select_option("Over")
    await expect(page.locator("td[data-column=about]")).to_have_text(["Yard"])
    await page.get_by_label("State").select_option("State: all")
    await page.get_by_label("Kind").select_option("camera down")
    await page.get_by_label("Site").select_option("Depot north")
    await expect(page.locator("td[data-column=about]")).to_have_count(2)
    await console.picture("events-filtered")
    await page.get_by_role("link", name="Gate").click()
    await console.heading("Gate")
    await page.get_by_role("link", name="Events", exact=True).last.click()
    await console.heading("Events")
    await expect(page.locator("td[data-column=about]")).to_have_text(["Gate"])


async def test_what_makes_no_sense_is_told_next_to_its_field(console: ConsolePages) -> None:
    page = console.page
    await console.menu("Sites")
    await console.new("site")
    await console.save()
    assert await console.error_of("name") == "Is needed."
    await make_site(console)

    await console.menu("Cameras")
    await console.new("camera")
    await console.fill(name="Yard", ip_address="192.168.1.300", port="70000")
    await console.choose("site_id", "Depot north")
    await console.save()
    assert "IP address" in await console.error_of("ip_address")
    assert "65535" in await console.error_of("port")
    await console.picture("camera-form-errors")
    await make_camera(console)

    await console.menu("Recording Schedules")
    await console.new("recording schedule")
    await console.fill(name="Once")
    await console.choose("camera_id", "Yard")
    await page.get_by_label("Records").select_option("once")
    await console.fill(start_time="10:00:00", end_time="11:00:00", end_date="2026-03-01")
    await console.save()
    assert "on which day" in await console.error_of("start_date")
    await page.get_by_label("Records").select_option("weekly")
    await console.fill(start_date="2026-03-02")
    await console.save()
    assert "at least one day" in await console.error_of("days_of_week")
    assert "before the start date" in await console.error_of("end_date")
    await console.picture("schedule-form-errors")


async def test_a_change_that_cannot_be_taken_back_is_asked_about(console: ConsolePages) -> None:
    page = console.page
    await make_site(console)
    await page.get_by_role("button", name="Delete").click()
    dialog = page.locator("dialog.confirm")
    await expect(dialog).to_contain_text("Delete site “Depot north”?")
    await console.picture("confirm")
    await dialog.get_by_role("button", name="Cancel").click()
    await console.heading("Depot north")
    await page.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await console.heading("Sites")
    await expect(page.locator(".alert-success")).to_contain_text("was deleted")


async def test_the_menu_opens_on_a_narrow_screen_and_the_door_closes(console: ConsolePages) -> None:
    page = console.page
    await page.set_viewport_size({"width": 800, "height": 900})
    await expect(page.get_by_role("link", name="Cameras", exact=True)).to_be_hidden()
    await console.unfold_menu()
    await page.get_by_role("link", name="Cameras", exact=True).click()
    await console.heading("Cameras")
    await console.unfold_menu()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    await console.picture("login")
    await console.open("/nowhere")
    await console.picture("not-found")


async def test_after_the_logout_the_back_button_shows_nothing(console: ConsolePages) -> None:
    page = console.page
    await make_site(console)
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert "Depot north" not in await page.content()


async def test_a_form_is_filled_by_its_labels_and_the_keyboard(console: ConsolePages) -> None:
    page = console.page
    await make_site(console)
    await make_camera(console)
    await console.menu("Recording Schedules")
    await page.get_by_role("link", name="Make the first one").click()
    await console.heading("New recording schedule")
    await page.get_by_label("Name").fill("Nights")
    # Not by a click: with the keys alone, from the label to the choice.
    await page.get_by_role("combobox", name="Camera").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".select2-results__option", has_text="Yard")).to_be_visible()
    await page.keyboard.press("Enter")
    await page.get_by_label("From", exact=True).fill("22:00")
    await page.get_by_label("To", exact=True).fill("later")
    await page.keyboard.press("Enter")
    await expect(page.get_by_label("To", exact=True)).to_be_focused()
    await expect(page.get_by_label("To", exact=True)).to_have_attribute("aria-invalid", "true")
    await expect(page.get_by_label("To", exact=True)).to_have_value("later")
    await expect(page.get_by_label("From", exact=True)).to_have_value("22:00:00")
    await page.get_by_label("To", exact=True).fill("6:00")
    await page.keyboard.press("Enter")
    await console.heading("Nights")
    await page.get_by_role("link", name="History").click()
    await expect(page.locator("td[data-column=kind]")).to_have_text(["schedule created"])
    await console.picture("history")


async def test_an_unencrypted_page_copies_too(console: ConsolePages) -> None:
    page = console.page
    # Browsers give pages that came over plain http from another machine no clipboard.
    await page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    await make_site(console)
    await make_camera(console)
    token = await make_client(console)
    await page.locator("[data-copy='#token']").click()
    await expect(page.locator("[data-copy='#token']")).to_contain_text("Copied")
    await page.get_by_role("link", name="I have copied it").click()
    await console.menu("Cameras")
    await page.get_by_label("Search").fill("")
    await page.get_by_label("Search").press("Control+V")
    await expect(page.get_by_label("Search")).to_have_value(token)
