"""Calls to the control plane: every bad answer becomes one of ours, and none shows the token."""

import pytest
import structlog
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from camfleet_contract.heartbeats import Heartbeat
from recorder.clock import SystemClock
from recorder.control_plane import ControlPlane, connected
from recorder.errors import CallRefused, ControlPlaneError, ControlPlaneUnreachable, TokenRefused
from recorder.link import Link, LinkCondition
from tests.ports import free_port
from tests.recorder.control_plane import FakeControlPlane
from tests.recorder.serving import serving

TOKEN = "a-token-nobody-may-see"


def answers(response: Response) -> Starlette:
    async def always(request: Request) -> Response:
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        return response

    return Starlette(routes=[Route("/{path:path}", always, methods=["GET", "POST"])])


@pytest.mark.parametrize(
    ("response", "error", "told", "condition"),
    [
        (JSONResponse({"detail": "who?"}, 401), TokenRefused, "renew it in the console", LinkCondition.TOKEN_REFUSED),
        (JSONResponse({"detail": "busy"}, 503), ControlPlaneUnreachable, "503: busy", LinkCondition.UNREACHABLE),
        (PlainTextResponse("slow down", 429), ControlPlaneUnreachable, "429", LinkCondition.UNREACHABLE),
        (RedirectResponse("https://x.example/"), ControlPlaneUnreachable, "redirect", LinkCondition.UNREACHABLE),
        (PlainTextResponse("<html>Log in to the Wi-Fi"), ControlPlaneUnreachable, "proxy", LinkCondition.UNREACHABLE),
        (JSONResponse([]), ControlPlaneUnreachable, "not the control plane", LinkCondition.UNREACHABLE),
        (JSONResponse({"detail": "no such camera"}, 404), CallRefused, "no such camera", LinkCondition.CONNECTED),
        (JSONResponse({"detail": [{"loc": ["a"]}]}, 422), CallRefused, "422", LinkCondition.CONNECTED),
        (PlainTextResponse("x" * 100_000, 400), CallRefused, "400", LinkCondition.CONNECTED),
    ],
)
async def test_every_bad_answer_is_told_apart(
    response: Response, error: type[ControlPlaneError], told: str, condition: LinkCondition
) -> None:
    link = Link(SystemClock().now)
    with structlog.testing.capture_logs() as logs:
        async with serving(answers(response)) as root, connected(root, SecretStr(TOKEN), link) as control_plane:
            with pytest.raises(error) as caught:
                await control_plane.heartbeat(Heartbeat())
    assert told in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert link.state.condition is condition
    assert TOKEN not in str(caught.value) + str(logs)


async def test_nobody_there_is_told_and_shows_nothing() -> None:
    link = Link(SystemClock().now)
    async with connected(f"http://127.0.0.1:{free_port()}", SecretStr(TOKEN), link) as control_plane:
        with pytest.raises(ControlPlaneUnreachable, match="no answer"):
            await control_plane.config(None)
    assert link.state.condition is LinkCondition.UNREACHABLE


async def test_the_link_is_logged_once_a_change(fake: FakeControlPlane, control_plane: ControlPlane) -> None:
    with structlog.testing.capture_logs() as logs:
        for status in (0, 0, 503, 503, 503, 0):
            fake.down = status
            try:
                await control_plane.health()
            except ControlPlaneUnreachable:
                assert status == 503
    # What is captured is the whole process's, also of threads that another test has left.
    assert [entry["event"] for entry in logs if entry["event"].startswith("control_plane_")] == [
        "control_plane_connected",
        "control_plane_unreachable",
        "control_plane_connected",
    ]


async def test_a_redirect_never_carries_the_token_elsewhere() -> None:
    seen: list[str] = []

    async def elsewhere(request: Request) -> Response:
        seen.append(request.headers.get("Authorization", ""))
        return PlainTextResponse("got you")

    async with (
        serving(Starlette(routes=[Route("/{path:path}", elsewhere)])) as other,
        serving(answers(RedirectResponse(f"{other}/steal"))) as root,
        connected(root, SecretStr(TOKEN), Link(SystemClock().now)) as control_plane,
    ):
        with pytest.raises(ControlPlaneUnreachable):
            await control_plane.cameras(None)
    assert seen == []


async def test_a_captive_portal_is_no_connection_however_often_it_answers() -> None:
    async def login(request: Request) -> Response:
        return PlainTextResponse(f"<html>Log in to see {request.url}", media_type="text/html")

    portal = Starlette(routes=[Route("/{path:path}", login, methods=["GET", "POST"])])
    link = Link(SystemClock().now)
    async with serving(portal) as root, connected(root, SecretStr(TOKEN), link) as control_plane:
        seen = []
        for _ in range(2):
            with pytest.raises(ControlPlaneUnreachable, match="not the control plane"):
                await control_plane.config(None)
            seen.append(link.state.since)
            with pytest.raises(ControlPlaneUnreachable, match="not the control plane"):
                await control_plane.heartbeat(Heartbeat())
            seen.append(link.state.since)
    assert link.state.condition is LinkCondition.UNREACHABLE
    assert len(set(seen)) == 1, "down since the first answer: it never counted as connected in between"
