"""The whole way, as an operator goes it: camera, recorder and schedule in the console, a recorder started with the
copied token, and its footage seen as stored."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from camera_simulator import CameraSimulator, CameraSpec
from tests.console.pages import ConsolePages
from tests.console.test_in_a_browser import browser, console, make_site

__all__ = ["browser", "console"]

pytestmark = pytest.mark.timeout(240)

CAMERA_PASSWORD = "p@ss/word of the camera"


@asynccontextmanager
async def recorder(folder: Path, env_file: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The recorder's own program with the `.env` that the console showed, in its own folder."""
    (folder / ".env").write_text(env_file)
    log = folder / "output.log"
    settings = {"STATUS_PORT": "0", "MIN_FREE_GIB": "0", "MIN_FREE_PERCENT": "0", "HEARTBEAT_INTERVAL_SECONDS": "2"}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            Path(sys.executable).parent / "recorder", "run",
            cwd=folder, env={"PATH": os.environ["PATH"], **settings}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        yield process
        assert process.returncode is None, log.read_text()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 60)
    assert code == 0, log.read_text()
    assert CAMERA_PASSWORD not in log.read_text() + (folder / "recordings/logs/client.log").read_text()


async def until(page: Page, selector: str, text: str, seconds: float = 90) -> None:
    """Reload until it is there: the console shows what is known when it is asked."""
    async with asyncio.timeout(seconds):
        while text not in " ".join(await page.locator(selector).all_inner_texts()):
            # The page shows what was known when it was asked for; asking without a pause would slow what it waits for.
            await asyncio.sleep(0.5)
            await page.reload()


async def watch(page: Page) -> None:
    """From one segment on to the next, which the player does by itself."""
    await page.get_by_role("button", name="Watch").click()
    video = page.locator("video")
    await video.evaluate("video => { video.muted = true; return video.play(); }")
    await expect(page.locator("[data-now-playing]")).to_contain_text("2 of", timeout=60_000)
    await expect(video).to_have_js_property("videoWidth", 640)


async def test_footage_of_a_recorder_made_in_the_console_arrives(console: ConsolePages, tmp_path: Path) -> None:
    page = console.page
    spec = CameraSpec(name="yard", user="viewer", password=CAMERA_PASSWORD, loop_seconds=4)
    async with CameraSimulator([spec], cache=tmp_path / "media") as simulator:
        address = urlsplit(simulator.url("yard", credentials=False))
        await make_site(console)
        await console.menu("Cameras")
        await console.new("camera")
        await console.fill(
            name="Yard",
            ip_address=str(address.hostname),
            port=str(address.port),
            rtsp_path=address.path,
            username="viewer",
            password=CAMERA_PASSWORD,
        )
        await console.choose("site_id", "Depot north")
        await console.save()
        await console.heading("Yard")

        await console.menu("Local Recording Clients")
        await console.new("local recording client")
        await console.fill(name="Box 1")
        await console.choose("site_id", "Depot north")
        await console.choose("camera_ids", "Yard")
        await console.save()
        await console.token()
        env_file = await console.env_file()

        await console.menu("Recording Schedules")
        await console.new("recording schedule")
        await console.fill(name="Always", segment_seconds="2")
        await console.choose("camera_id", "Yard")
        await page.get_by_label("Records").select_option("continuous")
        await console.save()
        await console.heading("Always")

        # A folder as the store is made by whoever mounts the disk: neither side writes where none is mounted.
        (tmp_path / "bucket").mkdir()
        folder = tmp_path / "box"
        folder.mkdir()
        async with recorder(folder, env_file):
            await console.menu("Recordings")
            await until(page, "td[data-column=segments] .bg-green-lt", " of ")
            await expect(page.locator("td[data-column=camera]").first).to_have_text("Yard")
            await console.picture("recordings-stored")
            await page.locator("td[data-column=started_at] a").first.click()
            await until(page, "table td .badge", "stored")
            await until(page, ".table-tall tbody tr:nth-of-type(2) .badge", "stored")
            await watch(page)
            await console.picture("recording")
            await console.menu("Cameras")
            await until(page, "td[data-column=state]", "recording")
            await console.picture("cameras-recording")
            await console.menu("Local Recording Clients")
            await expect(page.locator("td[data-column=status]")).to_have_text("online")
            await page.get_by_role("link", name="Box 1", exact=True).click()
            await console.heading("Box 1")
            await console.picture("client-recording")
            await console.open("/")
            await console.picture("overview-recording")
