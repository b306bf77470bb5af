"""Commands that concern the recorder itself: another token, and a restart."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import httpx
import structlog
from pydantic import SecretStr

from camfleet_contract.commands import CommandKind, CommandState
from recorder.cli import RESTART
from recorder.ending import is_started_again
from recorder.tokens import TokenFile, Tokens
from recorder.vault import Vault
from tests.ports import free_port
from tests.recorder.commanded import OWN, Box, command
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.process import answering, configuration, environment, recorder, status_once
from tests.recorder.waiting import LIMIT_SECONDS, until


async def test_a_new_token_is_used_from_then_on_and_the_end_is_told_with_it(box: Box, tmp_path: Path) -> None:
    box.fake.new_token = "cfr_fresh"
    rotate = command(CommandKind.ROTATE_TOKEN, token="cfr_fresh")
    with structlog.testing.capture_logs() as logs:
        async with box.commands() as commands:
            commands.take(box.asked(rotate))
            assert (await box.fake.ended(rotate)).state is CommandState.DONE
            assert box.fake.token == "cfr_fresh", "the earlier one has ended"
            assert await box.control_plane.config(None) is not None
    assert "cfr_fresh" not in str(logs)
    assert "cfr_fresh" not in str([tuple(row) for row in box.spool._database.rows("SELECT * FROM commands")])
    again = Tokens(OWN, TokenFile(tmp_path, Vault(OWN), OWN))
    again.read()
    assert again.in_order()[0] == "cfr_fresh"


async def test_a_new_token_that_is_refused_leaves_the_earlier_one(box: Box) -> None:
    rotate = command(CommandKind.ROTATE_TOKEN, token="cfr_never_known")
    async with box.commands() as commands:
        commands.take(box.asked(rotate))
        told = await box.fake.ended(rotate)
        assert (told.state, told.detail) == (CommandState.FAILED, "The control plane refuses the new token.")
        assert await box.control_plane.config(None) is not None
        assert box.tokens.in_order()[0] == TOKEN


async def test_a_new_token_that_the_disk_cannot_keep_leaves_the_earlier_one(box: Box, tmp_path: Path) -> None:
    box.tokens._file = TokenFile(tmp_path / "not there", Vault(OWN), OWN)
    box.fake.new_token = "cfr_fresh"
    rotate = command(CommandKind.ROTATE_TOKEN, token="cfr_fresh")
    async with box.commands() as commands:
        commands.take(box.asked(rotate))
        told = await box.fake.ended(rotate)
    assert (told.state, told.detail) == (CommandState.FAILED, "The disk can't be written: No such file or directory")
    assert box.tokens.in_order() == (TOKEN,)
    assert box.fake.token == TOKEN, "which has not ended"


async def test_a_token_that_no_call_could_carry_is_not_kept(box: Box) -> None:
    rotate = command(CommandKind.ROTATE_TOKEN, token="cfr_\nX-Evil: 1")
    async with box.commands() as commands:
        commands.take(box.asked(rotate))
        assert (await box.fake.ended(rotate)).state is CommandState.FAILED
    assert box.tokens.in_order() == (TOKEN,)


async def test_a_run_that_ended_once_the_new_token_was_kept_is_told_as_done_by_the_next(box: Box) -> None:
    box.fake.new_token = "cfr_fresh"
    rotate = command(CommandKind.ROTATE_TOKEN, token="cfr_fresh")
    document = box.asked(rotate)
    box.fake.commands[rotate.id] = CommandState.ACCEPTED
    box.spool.commands.begin(rotate.id, rotate.kind.value, datetime.now(UTC))
    box.tokens.keep(SecretStr("cfr_fresh"), rotate.id)
    async with box.commands() as commands:
        commands.take(document)
        assert (await box.fake.ended(rotate)).state is CommandState.DONE
    assert box.fake.token == "cfr_fresh"


async def test_a_restart_is_told_as_done_by_the_next_run_and_asked_for_once(box: Box) -> None:
    restart = command(CommandKind.RESTART)
    document = box.asked(restart)
    async with box.commands() as commands:
        commands.take(document)
        await until(lambda: box.restarts)
    assert [result.state for result in box.fake.told(restart.id)] == [CommandState.ACCEPTED]
    async with box.commands() as commands:
        commands.take(document)
        assert (await box.fake.ended(restart)).state is CommandState.DONE
    assert box.restarts == ["asked"]


async def test_nothing_is_restarted_that_nobody_would_start_again(box: Box) -> None:
    box.is_started_again = False
    restart = command(CommandKind.RESTART)
    async with box.commands() as commands:
        commands.take(box.asked(restart))
        told = await box.fake.ended(restart)
    assert (told.state, box.restarts) == (CommandState.FAILED, [])
    assert "neither systemd nor a container runs it" in told.detail


def test_a_service_manager_is_known_by_what_it_sets_for_the_process_that_it_started() -> None:
    assert is_started_again({}, 1, 0, "recorder"), "the first process of a container"
    assert is_started_again({}, 7, 1, "docker-init")
    assert is_started_again({"SYSTEMD_EXEC_PID": "812", "INVOCATION_ID": "f00"}, 812, 1, "systemd")
    assert is_started_again({"INVOCATION_ID": "f00"}, 812, 1, "systemd"), "an older systemd"
    assert not is_started_again({}, 812, 700, "systemd")
    assert not is_started_again({}, 812, 1, "systemd")
    inherited = {"SYSTEMD_EXEC_PID": "700", "INVOCATION_ID": "f00"}
    assert not is_started_again(inherited, 812, 700, "systemd"), "of a terminal"
    assert not is_started_again({}, 812, 700, "docker-init"), "by hand, in a container"


async def test_a_recorder_that_was_given_a_token_and_restarted_goes_on_with_it(
    tmp_path: Path, fake: FakeControlPlane, backend: str, http_client: httpx.AsyncClient
) -> None:
    fake.document, fake.new_token = configuration("rtsp://127.0.0.1:9/yard", is_due=False), "cfr_fresh-only-for-tests"
    variables = environment(tmp_path, backend, TOKEN, free_port())
    rotate = command(CommandKind.ROTATE_TOKEN, token=fake.new_token)
    restart = command(CommandKind.RESTART)
    async with recorder(tmp_path, variables, is_service=True) as running_recorder:
        await fake.until(lambda: "GET /config" in fake.calls)
        fake.ask(rotate)
        assert (await fake.ended(rotate)).state is CommandState.DONE
        fake.ask(rotate, restart)
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await running_recorder.process.wait() == RESTART
    assert [result.state for result in fake.told(restart.id)] == [CommandState.ACCEPTED]
    assert fake.token == fake.new_token
    refused_before = fake.refused
    async with recorder(tmp_path, variables, is_service=True) as running_recorder:
        assert (await fake.ended(restart)).state is CommandState.DONE
        await answering(running_recorder, http_client)
        await status_once(
            running_recorder, http_client, lambda shown: shown["control_plane"]["condition"] == "connected"
        )
        assert await running_recorder.stop() == 0
    assert fake.refused == refused_before, "it began with the newest"
    assert len(fake.told(restart.id)) == 2
    logged = (tmp_path / "base/logs/client.log").read_text() + (tmp_path / "stderr.log").read_text()
    assert "command_begun" in logged
    for secret in (TOKEN, fake.new_token):
        assert secret not in logged
