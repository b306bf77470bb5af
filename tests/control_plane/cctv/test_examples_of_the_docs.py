"""`docs/api.md`: every operation has a curl there, and every curl works."""

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import httpx
import pytest

from control_plane.cctv.app import create_app
from control_plane.events import COMMAND_LINE
from control_plane.models import Role
from control_plane.security.operators import create_operator
from control_plane.services import Services
from control_plane.settings import Settings
from tests.control_plane.cctv.footage import Footage
from tests.control_plane.cctv.scripts import BASE, Script
from tests.control_plane.cctv.test_playback import put
from tests.control_plane.cctv.test_roles import ids

__all__ = ["ids"]

PAGE = Path(__file__).parents[3] / "docs" / "api.md"
PASSWORD = "a long enough password"
NOT_THERE = {"GET commands/$COMMAND/image/": 404}
"""What the fleet of these tests has not: nobody carried out the command."""


class Example(NamedTuple):
    method: str
    path: str
    """Below the API's base, with its query."""
    body: str | None
    authorization: str | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def examples() -> list[Example]:
    """As a shell would read them; variables stay as they are."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("curl ")]
    return [_example(shlex.split(line)) for line in lines]


def _example(words: list[str]) -> Example:
    method, body, authorization, url = None, None, None, ""
    rest = iter(words[1:])
    for word in rest:
        match word:
            case "-s":
                continue
            case "-X":
                method = next(rest)
            case "-H":
                authorization = next(rest).replace("$AUTH", "Authorization: Bearer $KEY")
            case "--json":
                body = next(rest)
            case "-o":
                next(rest)
            case _:
                url = word
    assert url.startswith("$API/"), url
    return Example(method or ("POST" if body else "GET"), url.removeprefix("$API/"), body, authorization)


def test_every_operation_has_an_example_and_every_example_is_an_operation(services: Services) -> None:
    paths = create_app(services).openapi()["paths"]
    documented = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '$', path)}" for path, item in paths.items() for method in item
    }
    shown = {f"{one.method} /{re.sub(r'[$][A-Z_]+', '$', one.path.partition('?')[0])}" for one in examples()}
    assert shown == documented


def test_no_example_asks_for_what_the_document_does_not_have(services: Services) -> None:
    paths = create_app(services).openapi()["paths"]
    for one in examples():
        path, _, query = one.path.partition("?")
        pattern = re.compile(re.sub(r"[$][A-Z_]+", r"{[^}]*}", "/" + path).replace("{[^}]*}", "[{][^}]*[}]"))
        (operation,) = [item[one.method.lower()] for shown, item in paths.items() if pattern.fullmatch(shown)]
        known = {parameter["name"] for parameter in operation.get("parameters", []) if parameter["in"] == "query"}
        asked = {pair.partition("=")[0] for pair in query.split("&") if pair}
        assert asked <= known, str(one)


@pytest.mark.timeout(180)
async def test_every_example_works(
    ids: dict[str, Any], admin: Script, services: Services, settings: Settings, http: httpx.AsyncClient
) -> None:
    async with services.sessions.begin() as session:
        await create_operator(session, "maria", PASSWORD, Role.ADMIN, actor=COMMAND_LINE)
    footage, evening = Footage(services), datetime(2026, 3, 1, 19, tzinfo=UTC)
    recording = await footage.recording({"id": ids["client"]}, {"id": ids["camera"]}, started_at=evening)
    for segment in await footage.segments(recording, 2, stored=2):
        put(settings, segment.object_name)
    known = {name.upper(): str(value) for name, value in ids.items()}
    known |= {"KEY": admin.key or "", "PASSWORD": PASSWORD, "CAMERA_PASSWORD": "secret"}
    for one in examples():
        if one.path.startswith("login/") and one.path != "login/":
            tokens = (await http.post(f"{BASE}login/", json={"username": "maria", "password": PASSWORD})).json()
            known |= {"ACCESS_TOKEN": tokens["access_token"], "REFRESH_TOKEN": tokens["refresh_token"]}
        name, _, value = Template(one.authorization or ":").substitute(known).partition(": ")
        answer = await http.request(
            one.method,
            BASE + Template(one.path).substitute(known),
            headers={name: value} if one.authorization else {},
            json=json.loads(Template(one.body).substitute(known)) if one.body else None,
        )
        if str(one) in NOT_THERE:
            assert answer.status_code == NOT_THERE[str(one)], answer.text
        else:
            assert answer.is_success, (str(one), answer.text)
