"""The server of the local endpoints: it answers, says when, ends at once, and wakes nobody meanwhile."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from fastapi import FastAPI

from recorder.local_server import LocalServer, listening

IDLE_SECONDS = 0.5


class Selector(selectors.DefaultSelector):
    """Counts how often an event loop wakes up."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.waits += 1
        return super().select(timeout)


def _serving(work: Callable[[str, Selector], Coroutine[Any, Any, None]]) -> None:
    """Does the work beside a server whose address it is told, on a loop of its own."""
    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "here"

    async def both() -> None:
        with listening("127.0.0.1", 0) as listener:
            server = asyncio.create_task(LocalServer(app, listener).run())
            try:
                await work(f"http://127.0.0.1:{listener.getsockname()[1]}", selector)
            finally:
                server.cancel()
                await asyncio.gather(server, return_exceptions=True)

    selector = Selector()
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selector)) as runner:
        runner.run(both())


def test_each_answer_says_when_it_was_made() -> None:
    async def work(url: str, _: Selector) -> None:
        async with httpx.AsyncClient() as http:
            for path in ("/", "/not-there"):
                before = datetime.now(UTC) - timedelta(seconds=1)  # the header knows whole seconds
                answer = await http.get(f"{url}{path}")
                assert before <= parsedate_to_datetime(answer.headers["date"]) <= datetime.now(UTC)
                assert len(answer.headers.get_list("date")) == 1

    _serving(work)


def test_a_server_that_nobody_asks_does_nothing() -> None:
    async def work(url: str, selector: Selector) -> None:
        async with httpx.AsyncClient() as http:
            assert (await http.get(url)).json() == "here"
        await asyncio.sleep(0)
        before = selector.waits
        await asyncio.sleep(IDLE_SECONDS)
        assert selector.waits - before <= 3, "the connection's end, and this wait itself"

    _serving(work)


def test_a_server_ends_when_it_is_cancelled_and_lets_go_of_its_port() -> None:
    urls = []

    async def work(url: str, _: Selector) -> None:
        urls.append(url)
        async with httpx.AsyncClient() as http:
            assert (await http.get(url)).status_code == httpx.codes.OK

    _serving(work)
    with listening("127.0.0.1", int(urls[0].rpartition(":")[2])):
        pass
