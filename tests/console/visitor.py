"""A browser without a screen: keeps the cookie, finds the token in a page, sends forms."""

import html
import re
from typing import Any

import httpx

PASSWORD = "a long enough password"


class Visitor:
    """One person at the console."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.client.get(f"/admin{path}", params=parameters or None)

    async def token(self) -> str:
        """The session's token, as any page carries it."""
        page = await self.get("/login")
        found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert found, page.text
        return html.unescape(found[1])

    async def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> httpx.Response:
        """Send a form with the token that belongs to it."""
        return await self.client.post(
            f"/admin{path}", data={"csrf_token": await self.token(), **(data or {})}, **options
        )

    async def log_in(self, username: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        return await self.post("/login", {"username": username, "password": password, **more})


def path_of(response: httpx.Response) -> str:
    """Where a redirect leads, below /admin."""
    assert response.status_code == 303, (response.status_code, response.text)
    return httpx.URL(response.headers["location"]).raw_path.decode().removeprefix("/admin")


def text_of(response: httpx.Response) -> str:
    """The page's text without its tags."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.text)))
