"""Who may come in, in a real browser: a key for a script, and an operator who sees one site only."""

import httpx
import pytest
from playwright.async_api import Browser, expect

from control_plane.events import COMMAND_LINE
from control_plane.fleet.cameras import NewCamera, create_camera
from control_plane.fleet.sites import NewSite, create_site
from control_plane.service import RunningService
from tests.console.pages import ConsolePages
from tests.console.test_in_a_browser import browser, console
from tests.console.visitor import PASSWORD

__all__ = ["browser", "console"]

pytestmark = pytest.mark.timeout(180)


async def two_sites(server: RunningService) -> None:
    """Each with a camera that is named like it."""
    async with server.services.sessions.begin() as session:
        for name in ("Harbour", "Mill"):
            site = await create_site(session, NewSite(name=name), actor=COMMAND_LINE)
            camera = NewCamera(name=f"{name} gate", site_id=site.id, ip_address="192.0.2.7")
            await create_camera(session, server.services.secrets, camera, actor=COMMAND_LINE)


async def test_a_key_is_made_shown_once_used_and_revoked(console: ConsolePages, server: RunningService) -> None:
    await two_sites(server)
    page = console.page
    await console.menu("API keys")
    await console.new("API key")
    await console.fill(name="video wall")
    await console.choose("scopes", "cameras:read")
    await console.choose("site_ids", "Mill")
    await console.picture("api-key-form")
    await console.save()
    key = await console.token()
    await console.picture("api-key-once")
    async with httpx.AsyncClient(base_url=server.url, headers={"authorization": f"Bearer {key}"}) as script:
        cameras = (await script.get("/v0/api/cctv/cameras/")).json()["items"]
        assert [camera["name"] for camera in cameras] == ["Mill gate"]
        assert (await script.get("/v0/api/cctv/sites/")).status_code == 403
        await page.reload()
        await console.heading("The key was shown once")
        assert key not in await page.content()
        await page.get_by_role("link", name="Back to video wall").click()
        await console.heading("video wall")
        await console.picture("api-key")
        await page.get_by_role("button", name="Revoke").click()
        await expect(page.locator("dialog")).to_contain_text("Revoke the key")
        await page.locator("dialog").get_by_role("button", name="Cancel").click()
        assert (await script.get("/v0/api/cctv/cameras/")).status_code == 200, "nothing happens before the answer"
        await page.get_by_role("button", name="Revoke").click()
        await page.locator("dialog").get_by_role("button", name="Revoke").click()
        await expect(page.locator("main")).to_contain_text("The key video wall was revoked.")
        assert (await script.get("/v0/api/cctv/cameras/")).status_code == 401
    await page.get_by_role("link", name="History").click()
    await expect(page.locator("td[data-column=kind]")).to_have_text(["api key revoked", "api key created"])


async def test_an_operator_of_one_site_sees_no_other(
    console: ConsolePages, server: RunningService, browser: Browser
) -> None:
    await two_sites(server)
    page = console.page
    await console.menu("Operators")
    await console.new("operator")
    await console.fill(username="ben", password=PASSWORD)
    await console.choose("site_ids", "Harbour")
    await console.picture("operator-form")
    await console.save()
    await console.heading("ben")
    await console.picture("operator")

    context = await browser.new_context()
    bens = ConsolePages(await context.new_page(), server.url)
    await bens.log_in("ben", PASSWORD)
    await bens.menu("Cameras")
    await expect(bens.page.locator("td[data-column=name]")).to_have_text(["Harbour gate"])
    await bens.new("camera")
    await bens.field("site_id").locator(".select2-selection").click()
    await expect(bens.page.locator(".select2-results__option")).to_have_text(["Harbour (UTC)"])
    for hidden in ("Operators", "API keys"):
        await expect(bens.page.locator(".navbar").get_by_role("link", name=hidden)).to_have_count(0)

    await page.get_by_role("button", name="Log out everywhere").click()
    await page.locator("dialog").get_by_role("button", name="Log out").click()
    await expect(page.locator("main")).to_contain_text("ben is logged out everywhere.")
    await bens.open("/camera/list")
    await expect(bens.page.get_by_label("Password")).to_be_visible()
    await context.close()
    assert bens.complaints == []

    await console.open("/event/list?by=operator:")
    await expect(page.locator("td[data-column=kind]").first).to_have_text("operator sessions ended")
    await expect(page.locator("td[data-column=address]").first).to_have_text("127.0.0.1")
    await console.picture("audit")
