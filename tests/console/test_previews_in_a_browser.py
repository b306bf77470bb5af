"""A schedule's form with its preview, as an operator fills it in."""

import pytest
from playwright.async_api import expect

from tests.console.pages import ConsolePages
from tests.console.test_in_a_browser import browser, console, make_camera, make_client, make_site

__all__ = ["browser", "console"]

pytestmark = pytest.mark.timeout(180)


async def test_the_preview_follows_what_is_filled_in(console: ConsolePages) -> None:
    page = console.page
    await make_site(console)
    await make_camera(console)
    await make_client(console)
    await console.menu("Recording Schedules")
    await console.new("recording schedule")
    preview = page.get_by_role("complementary", name="Preview")
    await console.fill(name="Nights")
    await console.choose("camera_id", "Yard")
    await expect(preview).to_contain_text("Nothing to show yet. From")
    await console.fill(start_time="22:00", end_time="6:00")
    await expect(preview.locator("[data-effect=starts]")).to_contain_text("of Yard")
    rows = preview.locator("tbody tr")
    # One more while a night is on: whoever runs this may do so at night.
    await expect(rows.nth(13)).to_be_visible()
    await expect(rows.nth(15)).to_have_count(0)
    await page.get_by_label("Records").select_option("weekly")
    await expect(preview).to_contain_text("at least one day")
    await page.locator(".form-selectgroup-label", has_text="Mon").click()
    await expect(rows.nth(3)).to_have_count(0)
    await expect(rows.nth(1)).to_be_visible()
    await page.get_by_label("Records").select_option("continuous")
    await expect(rows).to_have_count(15)
    await console.picture("schedule-preview")
    await console.save()
    await console.heading("Nights")

    await page.get_by_role("link", name="Edit").click()
    await expect(preview).to_contain_text("Saving this changes nothing")
    await page.get_by_label("Active").uncheck()
    await expect(preview.locator("[data-stops-now]")).to_be_visible()
    await expect(preview.locator("[data-effect=stops]")).to_contain_text("14 d of Yard")
    await console.picture("schedule-preview-stops")
    await console.open("/camera/list")
    await page.get_by_role("link", name="Yard").first.click()
    await expect(page.locator("#coverage tbody tr")).to_have_count(7)
    await console.picture("camera-coverage")
