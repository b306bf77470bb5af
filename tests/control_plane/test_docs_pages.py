"""The pages of both APIs' documents work on a machine without internet, in a real browser."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from control_plane.service import RunningService
from tests.console.pages import SCREENSHOTS, chromium
from tests.control_plane.tasks import in_a_task

pytestmark = pytest.mark.timeout(180)

PAGES = {"local-client": ("Local Client API", "/recordings/register"), "cctv": ("CCTV API", "/cameras/")}


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    async with in_a_task(chromium()) as browser:
        yield browser


@pytest.mark.parametrize("name", PAGES)
async def test_each_page_shows_its_api_and_asks_nobody_else(
    server: RunningService, browser: Browser, name: str
) -> None:
    title, path = PAGES[name]
    complaints: list[str] = []
    asked: list[str] = []
    page = await browser.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{server.url}/v0/api/{name}/docs")
    await expect(page.locator("h1, h2").filter(has_text=title)).to_be_visible()
    operation = page.locator(".opblock").filter(has=page.locator(f'[data-path="{path}"]')).first
    await operation.click()
    await expect(operation.get_by_text("Responses", exact=True).first).to_be_visible()
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    await page.screenshot(path=SCREENSHOTS / f"docs-{name}.png")
    assert complaints == []
    assert [url for url in asked if not url.startswith((server.url, "data:"))] == []


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_may_run_nothing_but_its_own_script(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/v0/api/{name}/docs")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self' 'sha256-" in policy
    assert "http" not in policy
    assert (await client.get("/v0/api/docs/swagger-ui-bundle.js")).status_code == 200
    assert (await client.get("/v0/api/docs/nothing.js")).json() == {"detail": "Not Found"}
