"""`control-plane serve` starts when it can, says why when it can't, and ends when it is told to."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from control_plane.embedded import postmaster, running_url
from control_plane.embedded.grounds import discard
from control_plane.events import COMMAND_LINE
from control_plane.fleet.clients import create_client
from control_plane.fleet.sites import site_named
from control_plane.service import RunningService
from tests.control_plane.commands import COMMAND, environment, run_command, serving
from tests.control_plane.conftest import SECRET_KEY
from tests.postgres import Postgres, postgres_server


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a service with an embedded database."""
    data_dir = tmp_path / "data"
    yield {"DATA_DIR": str(data_dir)}
    discard(data_dir)


@pytest.fixture
def environ(database: str, tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": database, "DATA_DIR": str(tmp_path / "data"), "SECRET_KEYS": SECRET_KEY}


async def test_with_nothing_set_it_runs_its_own_database_and_takes_it_along(
    tmp_path: Path, embedded: dict[str, str]
) -> None:
    data_dir = Path(embedded["DATA_DIR"])
    before = await run_command("create-api-key", "before", settings=embedded)
    assert before.code == 0, "commands start the database when nobody runs it"
    assert running_url(data_dir) is None
    async with serving(tmp_path, settings=embedded) as service:
        await service.healthy()
        state = postmaster.read((data_dir / "postgres" / "cluster").resolve())
        assert state is not None
        while_running = await run_command("create-api-key", "while-running", settings=embedded)
        assert while_running.code == 0, while_running.errors
        assert (data_dir / "secret.key").stat().st_mode & 0o777 == 0o600
        service.process.send_signal(signal.SIGTERM)
        assert await service.ended() == 0
        assert not is_alive(state.pid)
    text = service.log.read_text()
    assert "Traceback" not in text
    assert (data_dir / "secret.key").read_text().strip() not in text
    again = await run_command("create-api-key", "before", settings=embedded)
    assert "already" in again.errors, "what was written is still there"


async def test_after_kill_9_the_next_start_finds_everything(tmp_path: Path, embedded: dict[str, str]) -> None:
    cluster = Path(embedded["DATA_DIR"]) / "postgres" / "cluster"
    async with serving(tmp_path, settings=embedded) as service:
        await service.healthy()
        assert (await run_command("create-api-key", "kept", settings=embedded)).code == 0
        state = postmaster.read(cluster.resolve())
        assert state is not None
        service.process.kill()
        await service.ended()
        if sys.platform == "linux":
            await no_more(state.pid)
    async with serving(tmp_path, settings=embedded) as service:
        await service.healthy()
        assert "already" in (await run_command("create-api-key", "kept", settings=embedded)).errors


async def test_a_database_that_is_killed_is_started_again(tmp_path: Path, embedded: dict[str, str]) -> None:
    cluster = Path(embedded["DATA_DIR"]) / "postgres" / "cluster"
    async with serving(tmp_path, settings=embedded) as service:
        await service.healthy()
        state = postmaster.read(cluster.resolve())
        assert state is not None
        os.kill(state.pid, signal.SIGKILL)
        await service.logs("embedded_postgres_ended")
        await service.healthy()


async def test_a_second_service_on_the_same_data_is_refused(tmp_path: Path, embedded: dict[str, str]) -> None:
    async with serving(tmp_path, settings=embedded) as first:
        await first.healthy()
        async with serving(tmp_path, settings=embedded) as second:
            assert await second.ended() == 1
            assert "is the control plane running already?" in second.log.read_text()
        await first.healthy()


async def test_a_port_that_is_taken_is_told_at_once(tmp_path: Path, environ: dict[str, str]) -> None:
    async with serving(tmp_path, settings=environ) as first:
        await first.healthy()
        port = first.url.rsplit(":", 1)[1]
        second = await run_command("serve", "--port", port, settings=environ)
    assert second.code == 1
    assert f"127.0.0.1:{port} can't be used" in second.errors


async def test_without_keys_a_database_of_others_is_not_served(environ: dict[str, str]) -> None:
    refused = await run_command("serve", settings={**environ, "SECRET_KEYS": ""})
    assert refused.code == 1
    assert "SECRET_KEYS is not set" in refused.errors
    refused = await run_command("serve", settings={**environ, "SECRET_KEYS": "short"})
    assert refused.code == 1
    assert "malformed key" in refused.errors
    assert "short" not in refused.errors


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"STORAGE_URL": "s3://footage"}, "error: STORAGE_URL must be gs://BUCKET"),
        ({"STORAGE_URL": "gs://footage", "GCP_CREDENTIALS_PATH": "/nowhere/key.json"}, "GCP_CREDENTIALS_PATH /nowhere"),
        ({"STORAGE_URL": "gs://footage", "GCP_CREDENTIALS_PATH": __file__}, "no key file of a Google service account"),
    ],
)
async def test_a_store_that_can_not_be_opened_is_told_in_one_line(
    environ: dict[str, str], changes: dict[str, str], says: str
) -> None:
    refused = await run_command("serve", "--port", "0", settings=environ | changes)
    assert refused.code == 1
    assert says in refused.errors
    assert refused.errors.count("\n") == 1


async def test_settings_that_can_not_be_read_are_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"SECRET_KEYS=\xff\n")
    process = await asyncio.create_subprocess_exec(
        COMMAND, "serve", cwd=tmp_path, env=environment({}), stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors.startswith(b"error: the file .env can't be read")
    assert errors.count(b"\n") == 1


async def test_a_database_that_was_not_migrated_is_refused(environ: dict[str, str], postgres: Postgres) -> None:
    async with postgres.database(empty=True) as url:
        refused = await run_command("serve", settings={**environ, "DATABASE_URL": url})
    assert refused.code == 1
    assert "run `control-plane migrate`" in refused.errors


async def test_it_waits_for_a_database_that_comes_late(tmp_path: Path, environ: dict[str, str]) -> None:
    async with postgres_server(tmp_path / "postgres") as own:
        url = own.server.url
        await own.server.stop()
        async with serving(tmp_path, settings={**environ, "DATABASE_URL": url}) as service:
            await service.logs("database_not_reached")
            await own.server.start()
            await service.healthy()


async def test_it_ends_at_once_while_it_waits_for_the_database(tmp_path: Path, environ: dict[str, str]) -> None:
    nowhere = "postgresql://me:hunter2@127.0.0.1:1/fleet"
    async with serving(tmp_path, settings={**environ, "DATABASE_URL": nowhere}) as service:
        await service.logs("database_not_reached")
        service.process.send_signal(signal.SIGTERM)
        # A third of what it would wait for the database; on a loaded machine the end of Python alone takes seconds.
        async with asyncio.timeout(20):
            assert await service.process.wait() == 0
    assert "hunter2" not in service.log.read_text()


async def test_it_ends_while_the_database_is_gone(tmp_path: Path, environ: dict[str, str]) -> None:
    async with (
        postgres_server(tmp_path / "postgres") as own,
        serving(tmp_path, settings={**environ, "DATABASE_URL": own.server.url}) as service,
    ):
        await service.logs("jobs_begun")
        await own.server.stop()
        service.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            assert await service.process.wait() == 0


async def test_whoever_waits_for_news_is_answered_at_once_when_it_ends(server: RunningService) -> None:
    async with server.services.sessions.begin() as session:
        site = await site_named(session, "Berlin", actor=COMMAND_LINE)
        _, token = await create_client(session, "Yard", site.id, actor=COMMAND_LINE)
    headers = {"Authorization": f"Bearer {token.text}"}
    async with asyncio.timeout(24), httpx.AsyncClient(base_url=server.url, headers=headers) as client:
        config = "/v0/api/local-client/config"
        etag = (await client.get(config)).headers["etag"]
        waiting = asyncio.create_task(client.get(f"{config}?wait=25", headers={"If-None-Match": etag}, timeout=60))
        while server.services.config_changes.waiting == 0:  # noqa: ASYNC110 - nobody tells when somebody begins to wait
            await asyncio.sleep(0.01)
        server.stop()
        assert (await waiting).status_code == 304
        await server.ended()


async def test_a_caller_with_a_huge_body_reads_the_answer(tmp_path: Path, environ: dict[str, str]) -> None:
    made = await run_command("create-client", "Yard", "--site", "Berlin", settings=environ)
    token = made.output.splitlines()[-1]
    huge = b"[" + b" " * 10_000_000 + b"]"
    async with serving(tmp_path, settings=environ) as service, httpx.AsyncClient(timeout=30) as client:
        await service.healthy()
        for name, status in ((token, 413), ("cfr_unknown", 401)):
            for content in (huge, in_pieces(huge)):
                response = await client.post(
                    f"{service.url}/v0/api/local-client/heartbeat",
                    content=content,
                    headers={"Authorization": f"Bearer {name}", "Content-Type": "application/json"},
                )
                assert response.status_code == status
                assert isinstance(response.json()["detail"], str)


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 65536):
        yield body[start : start + 65536]


async def test_json_logs_are_json_and_have_no_query(tmp_path: Path, environ: dict[str, str]) -> None:
    import json

    async with serving(tmp_path, settings={**environ, "LOG_FORMAT": "json"}) as service:
        await service.healthy()
        async with httpx.AsyncClient() as client:
            await client.get(f"{service.url}/nowhere?token=hunter2", headers={"X-Request-ID": "mine"})
        await service.logs('"mine"')
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    [request] = [line for line in lines if line.get("request_id") == "mine"]
    assert (request["event"], request["method"], request["path"], request["status"]) == (
        "request",
        "GET",
        "/nowhere",
        404,
    )
    assert "hunter2" not in service.log.read_text()


async def no_more(pid: int) -> None:
    async with asyncio.timeout(60):
        while is_alive(pid):  # noqa: ASYNC110 - nobody tells when another's child ends
            await asyncio.sleep(0.05)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_no_answer_waits_for_an_acknowledgement(server: RunningService) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert (await http.get("/health/ready")).status_code == 200
        (connection,) = server._server.server_state.connections
        accepted = cast("Any", connection).transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
