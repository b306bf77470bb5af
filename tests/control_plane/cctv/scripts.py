"""An operator's script: it has a key, calls the API, and says at once when an answer is not what it expects."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx

BASE = "/v0/api/cctv/"


@dataclass
class Script:
    http: httpx.AsyncClient
    key: str | None
    bodies: list[str] = field(default_factory=list)

    async def call(
        self, method: str, path: str, body: object = None, *, media_type: str | None = None, **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        if media_type is not None:
            headers["Content-Type"] = media_type
        if body is not None:
            options["json"] = body
        answer = await self.http.request(method, BASE + path, headers=headers, **options)
        self.bodies.append(answer.text)
        return answer

    async def get(self, path: str, **parameters: object) -> Any:
        return _json(await self.call("GET", path, params=parameters), 200)

    async def create(self, path: str, body: object) -> Any:
        return _json(await self.call("POST", path, body), 201)

    async def change(self, path: str, body: object) -> Any:
        return _json(await self.call("PATCH", path, body), 200)

    async def post(self, path: str) -> Any:
        return _json(await self.call("POST", path), 200)

    async def ask(self, path: str, body: object = None) -> Any:
        """A command to a recorder."""
        return _json(await self.call("POST", path, body), 202)

    async def delete(self, path: str) -> None:
        answer = await self.call("DELETE", path)
        assert (answer.status_code, answer.content) == (204, b""), answer.text

    async def refused(self, status: int, method: str, path: str, body: object = None, **options: Any) -> Any:
        """The answer's detail."""
        answer = await self.call(method, path, body, **options)
        return _json(answer, status)["detail"]

    async def all(self, path: str, *, limit: int = 50, **parameters: object) -> list[Any]:
        """Every item of a list, page by page."""
        found: list[Any] = []
        page = await self.get(path, limit=limit, **parameters)
        found += page["items"]
        while page["next_cursor"]:
            page = await self.get(path, limit=limit, cursor=page["next_cursor"], **parameters)
            found += page["items"]
        return found

    async def site(self, name: str = "Harbour", timezone: str = "Europe/Berlin") -> Any:
        return await self.create("sites/", {"name": name, "timezone": timezone})

    async def camera(self, site: Any, **given: object) -> Any:
        body = {"name": "Yard", "site_id": site["id"], "ip_address": "192.168.1.20"} | given
        return await self.create("cameras/", body)

    async def client(self, site: Any, *cameras: Any, name: str = "Box") -> Any:
        body = {"name": name, "site_id": site["id"], "camera_ids": [camera["id"] for camera in cameras]}
        return await self.create("clients/", body)

    async def schedule(self, camera: Any, **given: object) -> Any:
        body = {"name": "Night", "camera_id": camera["id"], "schedule_type": "continuous"} | given
        return await self.create("schedules/", body)


def fields_refused(detail: Any) -> dict[str, str]:
    """The messages of a 422, by field."""
    return {".".join(str(part) for part in problem["loc"][1:]): problem["msg"] for problem in detail}


def looks_like_a_token(text: str) -> bool:
    return re.search(r"cf[rk]_[A-Za-z0-9_-]{20,}", text) is not None


def _json(answer: httpx.Response, status: int) -> Any:
    assert answer.status_code == status, f"{answer.request.method} {answer.request.url}: {answer.text}"
    return answer.json()
