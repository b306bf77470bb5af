"""No input that a property-based fuzz finds gives a 500, or an answer that the OpenAPI document does not tell of."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.events import COMMAND_LINE
from control_plane.fleet.cameras import NewCamera, create_camera
from control_plane.fleet.clients import create_client
from control_plane.fleet.schedules import NewSchedule, create_schedule
from control_plane.fleet.sites import site_named
from control_plane.models import Role
from control_plane.security.api_keys import create_api_key
from control_plane.service import RunningService

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
)
EXAMPLES = 8
"""Of each operation, besides some fifty systematic ones (the phase "coverage")."""
LIMIT_SECONDS = 480
"""Ends what hangs. On a loaded machine the longest phase takes two minutes and a half."""


async def _an_admins_key(session: AsyncSession, server: RunningService) -> str:
    return (await create_api_key(session, "fuzz", Role.ADMIN, actor=COMMAND_LINE)).text


async def _a_recorders_token(session: AsyncSession, server: RunningService) -> str:
    site = await site_named(session, "Harbour", actor=COMMAND_LINE)
    new = NewCamera(name="Yard", site_id=site.id, ip_address="10.0.0.5", username="u", password="secret")
    camera = await create_camera(session, server.services.secrets, new, actor=COMMAND_LINE)
    always = NewSchedule.model_validate({"name": "Always", "camera_id": camera.id, "schedule_type": "continuous"})
    await create_schedule(session, always, actor=COMMAND_LINE)
    _, token = await create_client(session, "Box", site.id, [camera.id], actor=COMMAND_LINE)
    return token.text


@pytest.mark.timeout(LIMIT_SECONDS + 60)
@pytest.mark.parametrize("phases", ["examples,coverage", "fuzzing", "stateful"])
@pytest.mark.parametrize(
    ("base", "credential"),
    [
        pytest.param("/v0/api/cctv", _an_admins_key, id="cctv"),
        pytest.param("/v0/api/local-client", _a_recorders_token, id="local-client"),
    ],
)
async def test_no_input_gives_an_answer_that_is_not_documented(
    server: RunningService,
    tmp_path: Path,
    base: str,
    credential: Callable[[AsyncSession, RunningService], Awaitable[str]],
    phases: str,
) -> None:
    async with server.services.sessions.begin() as session:
        secret = await credential(session, server)
    code, report = await _fuzz(server.url + base, secret, phases, tmp_path)
    assert code == 0, report
    assert "No issues found" in report, report
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {secret}"}) as caller:
        answer = await caller.get(f"{server.url}{base}/cameras{'/' if base.endswith('cctv') else ''}")
    assert answer.status_code == 200, "else it took its own credential away, and most of its calls were 401"


async def _fuzz(url: str, secret: str, phases: str, folder: Path) -> tuple[int, str]:
    """Run schemathesis in a process of its own, so that its hooks and its settings stay there."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", f"{url}/openapi.json", "--header", f"Authorization:Bearer {secret}"),
        *(
            "--checks",
            ",".join(CHECKS),
            "--max-examples",
            str(EXAMPLES),
            "--phases",
            phases,
        ),
        *(
            "--request-timeout",
            "30",
            "--generation-database",
            "none",
            "--warnings",
            "off",
            "--no-color",
            "--workers",
            "1",  # in two threads, Python 3.11's ast.parse fails now and then (CPython issue 106905)
        ),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), LIMIT_SECONDS)
    except TimeoutError:
        process.kill()
        output, _ = await process.communicate()
        return -1, f"not done in {LIMIT_SECONDS} s:\n{output.decode(errors='replace')}"
    return process.returncode or 0, output.decode(errors="replace")
