"""Commands: each is taken from an answer of the control plane, carried out once, and told of until it is known."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from uuid_utils.compat import uuid7

from camera_simulator import CameraSimulator, CameraSpec
from camfleet_contract.cameras import Camera
from camfleet_contract.commands import CommandKind, CommandResult, CommandState
from recorder.spool import Spool
from tests.recorder.commanded import Box, command
from tests.recorder.rig import always, camera, config, running
from tests.recorder.waiting import until

YARD = CameraSpec(name="yard", user="viewer", password="s3cret/pass")


@pytest.fixture
async def simulator() -> AsyncIterator[CameraSimulator]:
    async with CameraSimulator([YARD], port=0) as simulator:
        yield simulator


@pytest.fixture
def yard(simulator: CameraSimulator) -> Camera:
    return camera(simulator.url("yard"))


async def test_a_recording_is_begun_and_ended_and_each_command_is_done_once(box: Box, yard: Camera) -> None:
    box.cameras.apply(config(cameras=(yard,)))
    start = command(CommandKind.START_RECORDING, yard.id, minutes=15)
    async with running(box.cameras), box.commands() as commands:
        for _ in range(3):
            commands.take(box.asked(start))  # as each answer to GET config does while it is open
        began = await box.fake.ended(start)
        assert [result.state for result in box.fake.told(start.id)] == [CommandState.ACCEPTED, CommandState.DONE]
        (recording,) = box.cameras.active()
        assert began.result is not None
        assert began.result.recording is not None
        assert began.result.recording.recording_id == recording.id
        assert began.result.recording.until == recording.until
        await until(lambda: box.cameras.states()[0].condition.value == "recording")
        commands.take(box.asked(start))

        stop = command(CommandKind.STOP_RECORDING, yard.id)
        commands.take(box.asked(start, stop))
        ended = await box.fake.ended(stop)
        assert ended.state is CommandState.DONE
        assert ended.result is not None
        assert ended.result.recording is not None
        assert ended.result.recording.recording_id == recording.id
        await until(lambda: box.cameras.active() == [])

        again = command(CommandKind.STOP_RECORDING, yard.id)
        commands.take(box.asked(start, stop, again))
        nothing = await box.fake.ended(again)
        assert (nothing.state, nothing.detail) == (CommandState.FAILED, "Nothing is recorded of this camera now.")
    assert len(box.fake.told(start.id)) == 2
    assert box.cameras.active() == []


async def test_what_concerns_one_camera_is_done_in_the_order_in_which_it_was_asked(box: Box, yard: Camera) -> None:
    box.cameras.apply(config(cameras=(yard,)))
    asked = [
        command(CommandKind.START_RECORDING, yard.id, minutes=1),
        command(CommandKind.STOP_RECORDING, yard.id),
        command(CommandKind.START_RECORDING, yard.id, minutes=2),
    ]
    async with running(box.cameras), box.commands() as commands:
        commands.take(box.asked(*asked))
        assert [(await box.fake.ended(each)).state for each in asked] == [CommandState.DONE] * 3
        assert len(box.cameras.active()) == 1


@pytest.mark.parametrize("state", [CommandState.EXPIRED, CommandState.FAILED, CommandState.DONE])
async def test_a_command_that_is_over_when_it_is_accepted_is_not_carried_out(
    box: Box, yard: Camera, state: CommandState
) -> None:
    box.cameras.apply(config(cameras=(yard,)))
    start = command(CommandKind.START_RECORDING, yard.id, minutes=1)
    other = command(CommandKind.STOP_RECORDING, yard.id)
    async with running(box.cameras), box.commands() as commands:
        document = box.asked(start, other)
        box.fake.commands[start.id] = state
        commands.take(document)
        await box.fake.ended(other)  # which waits for the other
        assert box.cameras.active() == []
    assert [result.state for result in box.fake.told(start.id)] == [CommandState.ACCEPTED]


async def test_a_run_that_ended_in_the_middle_is_told_by_the_next_and_nothing_is_done_twice(
    box: Box, yard: Camera
) -> None:
    box.cameras.apply(config(cameras=(yard,)))
    start = command(CommandKind.START_RECORDING, yard.id, minutes=1)
    document = box.asked(start)
    box.fake.commands[start.id] = CommandState.ACCEPTED
    assert box.spool.commands.begin(start.id, start.kind.value, datetime.now(UTC))
    async with running(box.cameras), box.commands() as commands:
        commands.take(document)
        told = await box.fake.ended(start)
        assert told.state is CommandState.FAILED
        assert "The recorder was restarted meanwhile" in told.detail
        assert box.cameras.active() == []
        await until(lambda: box.spool.commands.untold() == [])


async def test_an_end_that_an_earlier_run_could_not_tell_is_told_until_it_is_known(box: Box) -> None:
    stop = command(CommandKind.STOP_RECORDING, uuid7())
    document = box.asked(stop)
    box.fake.commands[stop.id] = CommandState.ACCEPTED
    box.spool.commands.begin(stop.id, stop.kind.value, datetime.now(UTC))
    ended = CommandResult(state=CommandState.FAILED, detail="Nothing is recorded of this camera now.")
    box.spool.commands.end(stop.id, ended.model_dump_json())
    box.fake.down = 503
    async with box.commands() as commands:
        commands.take(document)
        await box.fake.until(lambda: sum("/result" in call for call in box.fake.calls) >= 3)
        box.fake.down = 0
        assert await box.fake.ended(stop) == ended
        await until(lambda: box.spool.commands.untold() == [])


async def test_a_control_plane_that_does_not_answer_is_asked_whether_to_begin_until_it_does(
    box: Box, yard: Camera
) -> None:
    box.cameras.apply(config(cameras=(yard,)))
    start = command(CommandKind.START_RECORDING, yard.id, minutes=1)
    async with running(box.cameras), box.commands() as commands:
        document = box.asked(start)
        box.fake.down = 503
        commands.take(document)
        await box.fake.until(lambda: sum("/result" in call for call in box.fake.calls) >= 3)
        assert box.cameras.active() == []
        box.fake.down = 0
        assert (await box.fake.ended(start)).state is CommandState.DONE


async def test_an_unknown_camera_and_a_refused_command_are_told_and_end_nothing_else(box: Box, yard: Camera) -> None:
    box.cameras.apply(config(cameras=(yard,)))
    unknown = command(CommandKind.SNAPSHOT, uuid7())
    forgotten = command(CommandKind.START_RECORDING, yard.id, minutes=1)
    start = command(CommandKind.START_RECORDING, yard.id, minutes=1)
    async with running(box.cameras), box.commands() as commands:
        document = box.asked(unknown, forgotten, start)
        del box.fake.commands[forgotten.id]  # answered with 404
        commands.take(document)
        told = await box.fake.ended(unknown)
        assert told.state is CommandState.FAILED
        assert "is assigned to this recorder" in told.detail
        assert (await box.fake.ended(start)).state is CommandState.DONE


async def test_a_disk_that_cannot_remember_a_command_keeps_it_from_being_carried_out(box: Box, yard: Camera) -> None:
    box.cameras.apply(config(cameras=(yard,)))
    start = command(CommandKind.START_RECORDING, yard.id, minutes=1)
    with box.spool._database.transaction() as db:
        db.execute("CREATE TRIGGER full BEFORE INSERT ON commands BEGIN SELECT RAISE(ABORT, 'no space'); END")
    async with running(box.cameras), box.commands() as commands:
        commands.take(box.asked(start))
        told = await box.fake.ended(start)
        assert told.state is CommandState.FAILED
        assert told.detail.startswith("The recorder's disk fails, so nothing was done.")
        assert box.cameras.active() == []


async def test_a_camera_is_tested_and_shown_while_it_is_recorded(box: Box, yard: Camera) -> None:
    box.cameras.apply(config(always(yard)))
    test, snapshot = command(CommandKind.TEST_CAMERA, yard.id), command(CommandKind.SNAPSHOT, yard.id)
    with structlog.testing.capture_logs() as logs:
        async with running(box.cameras), box.commands() as commands:
            await until(lambda: box.cameras.states()[0].condition.value == "recording")
            commands.take(box.asked(test, snapshot))
            tested, shown = await box.fake.ended(test), await box.fake.ended(snapshot)
            await until(lambda: box.spool.commands.untold() == [])
    assert tested.result is not None
    assert (found := tested.result.camera) is not None
    assert (found.codec, found.width, found.height, found.transport) == ("h264", 640, 360, "tcp")
    assert found.is_recording
    assert shown.result is not None
    assert (picture := shown.result.snapshot) is not None
    assert (picture.width, picture.height) == (640, 360)
    assert picture.jpeg not in str(logs)
    rows = box.spool._database.rows("SELECT * FROM commands WHERE id = ?", (str(snapshot.id),))
    assert [(row["result"], row["told"]) for row in rows] == [(None, 1)], "no picture stays on the disk"


async def test_a_test_that_fails_says_why_and_what_to_do_without_the_password(
    box: Box, simulator: CameraSimulator
) -> None:
    yard = camera(simulator.url("yard").replace("s3cret%2Fpass", "wr0ng-pass"))
    box.cameras.apply(config(cameras=(yard,)))
    test = command(CommandKind.TEST_CAMERA, yard.id)
    with structlog.testing.capture_logs() as logs:
        async with box.commands() as commands:
            commands.take(box.asked(test))
            told = await box.fake.ended(test)
    assert told.state is CommandState.FAILED
    assert told.detail.startswith("The camera refused user or password")
    assert told.detail.endswith("Correct them before the camera locks the account.")
    assert "wr0ng-pass" not in told.detail + str(logs)


def test_what_was_begun_is_remembered_for_a_month_and_no_longer(spool: Spool) -> None:
    now, old, new = datetime.now(UTC), uuid7(), uuid7()
    assert spool.commands.begin(old, "snapshot", now - timedelta(days=31))
    assert not spool.commands.begin(old, "snapshot", now - timedelta(days=31))
    assert spool.commands.begin(new, "snapshot", now)
    assert not spool.commands.was_begun(old)
    assert spool.commands.was_begun(new)
