"""The console as a person uses it: in a real browser, by what is written on the page."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Locator, Page, async_playwright, expect

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 800, "height": 900}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The system's browser, or the one that CHROMIUM names."""
    # The machine may be busy with other tests.
    expect.set_options(timeout=20_000)
    async with async_playwright() as playwright:
        program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class ConsolePages:
    """One person in one browser window. What the browser complains of is kept in `complaints`."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._watch)

    def _listen(self, message: ConsoleMessage) -> None:
        # A refused form is answered with 422: the browser notes it, and it is what the test asked for.
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            self.complaints.append(message.text)

    def _watch(self, request: object) -> None:
        address = str(getattr(request, "url", ""))
        if not address.startswith((self.url, "data:")):
            self.complaints.append(f"asked another host: {address}")

    async def open(self, path: str) -> None:
        await self.page.goto(f"{self.url}/admin{path}")

    async def log_in(self, username: str, password: str) -> None:
        await self.open("/login")
        await self.page.get_by_label("User name").fill(username)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in").click()
        await expect(self.page.get_by_role("heading", name="Overview")).to_be_visible()

    async def menu(self, text: str) -> None:
        await self.page.locator(".navbar").get_by_role("link", name=text).click()
        await self.heading(text)

    async def new(self, what: str) -> None:
        await self.page.get_by_role("link", name=f"New {what}").click()
        await self.heading(f"New {what}")

    async def unfold_menu(self) -> None:
        """On a narrow screen; until it stands still, since what moves under the mouse takes no click."""
        await self.page.get_by_role("button", name="Menu").click()
        await expect(self.page.locator("#menu.collapse.show")).to_be_visible()

    async def heading(self, text: str) -> None:
        await expect(self.page.locator("h1")).to_have_text(text)
        # The page's script answers to clicks only once it has run, which is before the load is over.
        await self.page.wait_for_load_state("load")

    def field(self, name: str) -> Locator:
        """The part of a form that belongs to one field, its errors included."""
        return self.page.locator(f"[data-field={name}]")

    async def fill(self, **values: str) -> None:
        for name, value in values.items():
            await self.page.locator(f"[name={name}]").fill(value)

    async def choose(self, name: str, text: str) -> None:
        """Type into a field's search box and take what it finds."""
        field = self.field(name)
        await field.locator(".select2-selection").click()
        box = self.page.locator(".select2-container--open .select2-search__field").last
        await box.fill(text)
        await self.page.locator(".select2-results__option", has_text=text).first.click()

    async def save(self) -> None:
        await self.page.get_by_role("button", name="Save", exact=True).click()

    async def error_of(self, name: str) -> str:
        """What stands next to the field."""
        error = self.field(name).locator(".invalid-feedback")
        await expect(error.first).to_be_visible()
        return await error.first.inner_text()

    async def token(self) -> str:
        """The token that the page shows."""
        await expect(self.page.locator("#token")).to_be_visible()
        return await self.page.locator("#token").input_value()

    async def env_file(self) -> str:
        """The lines for the recorder's `.env`, taken with the page's copy button."""
        await self.page.locator("[data-copy='#snippet']").click()
        await expect(self.page.locator("[data-copy='#snippet']")).to_contain_text("Copied")
        copied: str = await self.page.evaluate("navigator.clipboard.readText()")
        return copied

    async def picture(self, name: str) -> None:
        """Keep what the page looks like, wide and narrow. Nothing may stick out to the right."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for suffix, size in (("", WIDE), ("-narrow", NARROW)):
            await self.page.set_viewport_size({"width": size["width"], "height": size["height"]})
            await self.page.screenshot(path=SCREENSHOTS / f"{name}{suffix}.png", full_page=True)
            excess = await self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert excess <= 0, f"{name} is {excess} px wider than a window of {size['width']} px"
        await self.page.set_viewport_size({"width": WIDE["width"], "height": WIDE["height"]})
