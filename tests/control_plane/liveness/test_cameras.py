"""Cameras that are down, and cameras that should be recorded and aren't: one cause, one event."""

import uuid
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select

from camfleet_contract.recordings import RecordingStatus
from control_plane.liveness.kinds import NEW_CAMERA, Kind
from control_plane.liveness.watch import Noted
from control_plane.models import Camera, Client, ClientCamera, ClientContact, DueWindow, Recording, Schedule, Site
from tests.control_plane.liveness.yard import HOUR, MINUTE, NOW, SECOND, Yard, written


async def told(yard: Yard, at: datetime, length: timedelta = 3 * MINUTE) -> list[tuple[str, Any]]:
    """What is told of after the recorder was heard for a while, saying the same: kind and reason."""
    while length >= timedelta():
        await yard.look(at)
        at, length = at + 15 * SECOND, length - 15 * SECOND
    return [(event.kind, event.detail.get("reason")) for event in await yard.events()]


@pytest.mark.parametrize("condition", ["unreachable", "refused", "stalled", "unsupported"])
async def test_a_camera_that_is_due_and_down_is_one_event_with_its_cause(due_yard: Yard, condition: str) -> None:
    await due_yard.says(NOW + MINUTE, cameras=[due_yard.state(condition, NOW)])
    assert await told(due_yard, NOW + MINUTE, MINUTE) == [("camera.down", "no route to host")]
    (event,) = await due_yard.events()
    assert (event.subject_id, event.subject_type, event.occurred_at) == (due_yard.camera, "camera", NOW)
    assert event.detail == {"name": "Yard", "condition": condition, "reason": "no route to host"}


async def test_a_camera_that_never_connects_is_not_recording(due_yard: Yard) -> None:
    await due_yard.says(NOW, "connecting")
    assert await due_yard.look(NOW) == Noted()
    assert await told(due_yard, NOW, MINUTE) == [("camera.not_recording", "no route to host")]
    await due_yard.says(NOW + 2 * MINUTE, "recording")
    for minute in range(2, 7):
        await due_yard.calls(NOW + minute * MINUTE)
        await due_yard.look(NOW + minute * MINUTE)
    (event,) = await due_yard.events()
    assert event.ended_at == NOW + 2 * MINUTE


async def test_a_camera_that_is_down_and_tried_again_is_still_that_one_event(due_yard: Yard) -> None:
    await due_yard.says(NOW, "unreachable")
    await told(due_yard, NOW, MINUTE)
    for minute in range(1, 8):
        await due_yard.says(NOW + minute * MINUTE, "connecting")
        await due_yard.look(NOW + minute * MINUTE)
    (event,) = await due_yard.events()
    assert (event.kind, event.ended_at) == ("camera.down", None)
    assert [trouble.kind for trouble in await due_yard.troubles()] == ["camera.down"]


async def test_a_short_trouble_is_no_event(due_yard: Yard) -> None:
    for minute in range(0, 20, 4):
        at = NOW + minute * MINUTE
        await due_yard.says(at, "unreachable")
        await due_yard.look(at)
        await due_yard.says(at + 20 * SECOND, "recording")
        await due_yard.look(at + 30 * SECOND)
        await due_yard.look(at + 80 * SECOND)
    assert await due_yard.events() == []


async def test_a_new_camera_has_its_grace(due_yard: Yard) -> None:
    await due_yard.change(Camera, created_at=NOW, updated_at=NOW)
    await due_yard.says(NOW + MINUTE, "refused")
    for seconds in range(60, 300, 15):
        await due_yard.calls(NOW + seconds * SECOND)
        assert await due_yard.look(NOW + seconds * SECOND) == Noted()
    await due_yard.calls(NOW + NEW_CAMERA)
    assert await due_yard.look(NOW + NEW_CAMERA) == Noted(begun=1)


async def test_a_silent_recorder_is_the_only_event_of_its_cameras(due_yard: Yard) -> None:
    await due_yard.says(NOW, "recording")
    for minute in range(30):
        await due_yard.look(NOW + minute * MINUTE)
    assert [event.kind for event in await due_yard.events()] == ["client.offline"]


async def test_a_missing_disk_is_the_only_event_of_its_cameras(due_yard: Yard) -> None:
    problem = {"code": "disk_missing", "text": "mount it", "since": written(NOW - HOUR)}
    await due_yard.says(NOW, cameras=[due_yard.state("stalled", NOW - HOUR, "no disk")], problems=[problem])
    assert await told(due_yard, NOW, MINUTE) == [("client.disk", "mount it")]


async def test_one_camera_too_many_is_not_recording_though_it_is_well(due_yard: Yard) -> None:
    problem = {"code": "recorder_overloaded", "text": "too many", "since": written(NOW)}
    await due_yard.says(NOW, cameras=[due_yard.state("stalled", NOW, "the limit is 1")], problems=[problem])
    assert await told(due_yard, NOW, MINUTE) == [("camera.not_recording", "the limit is 1")]


async def test_a_camera_without_a_recorder_is_missed(due_yard: Yard) -> None:
    async with due_yard.services.sessions.begin() as session:
        await session.execute(delete(ClientCamera))
    assert await told(due_yard, NOW, MINUTE) == [("camera.not_recording", "no recorder in service has this camera")]


async def test_a_camera_whose_recorder_never_called_is_missed(due_yard: Yard) -> None:
    async with due_yard.services.sessions.begin() as session:
        await session.execute(delete(ClientContact))
    assert await told(due_yard, NOW, MINUTE) == [("camera.not_recording", "its recorder has never called")]


async def test_a_recorder_that_tells_no_states_is_believed_by_its_recording(due_yard: Yard) -> None:
    """As clients of the predecessor are."""
    async with due_yard.services.sessions.begin() as session:
        session.add(
            Recording(
                id=uuid.uuid4(),
                client_id=due_yard.client,
                camera_id=due_yard.camera,
                name="Always",
                status=RecordingStatus.RECORDING,
                started_at=NOW,
            )
        )
    assert await told(due_yard, NOW, MINUTE) == []
    await due_yard.change(Recording, status=RecordingStatus.FAILED)
    await due_yard.calls(NOW + 2 * MINUTE)
    assert await told(due_yard, NOW + 2 * MINUTE, MINUTE) == [
        ("camera.not_recording", "its recorder says nothing of it")
    ]


async def test_a_second_recorder_that_records_it_is_enough(due_yard: Yard) -> None:
    await due_yard.says(NOW, "unreachable")
    async with due_yard.services.sessions.begin() as session:
        site = (await session.get_one(Camera, due_yard.camera)).site_id
        other = Client(site_id=site, name="Second box")
        session.add(other)
        await session.flush()
        session.add(ClientCamera(client_id=other.id, camera_id=due_yard.camera))
        state = due_yard.state("recording", NOW)
        session.add(ClientContact(client_id=other.id, last_contact_at=NOW, heartbeat={"cameras": [state]}))
    assert await told(due_yard, NOW, MINUTE) == []


@pytest.mark.parametrize(
    "change",
    [
        (Camera, {"is_active": False}),
        (Camera, {"recording_mode": "backend"}),
    ],
)
async def test_a_camera_that_is_taken_out_of_service_ends_its_event(due_yard: Yard, change: Any) -> None:
    table, values = change
    await due_yard.says(NOW, "unreachable")
    assert await told(due_yard, NOW, MINUTE) != []
    await due_yard.change(table, **values)
    assert await due_yard.look(NOW + MINUTE) == Noted(ended=1)
    (event,) = await due_yard.events()
    assert event.ended_at == NOW + MINUTE


async def test_a_window_that_closes_ends_what_was_due(due_yard: Yard) -> None:
    """22:00 to 06:00 in Berlin, in summer: from 20:00 to 04:00."""
    night = {"schedule_type": "daily", "start_time": time(22), "end_time": time(6)}
    await due_yard.change(Schedule, **night)
    opens = datetime(2026, 6, 1, 20, tzinfo=UTC)
    closes = datetime(2026, 6, 2, 4, tzinfo=UTC)
    for at in (opens - 2 * MINUTE, opens - MINUTE, opens, opens + 59 * SECOND):
        await due_yard.says(at, "idle")
        assert await due_yard.look(at) == Noted()
    await due_yard.says(opens + MINUTE, "idle")
    assert await due_yard.look(opens + MINUTE) == Noted(begun=1)
    for minute in range(-1, 5):
        await due_yard.says(closes + minute * MINUTE, "idle")
        await due_yard.look(closes + minute * MINUTE)
    (event,) = await due_yard.events()
    assert (event.kind, event.occurred_at, event.ended_at) == (str(Kind.NOT_RECORDING), opens, closes)


async def test_a_changed_schedule_or_zone_counts_at_once(due_yard: Yard) -> None:
    async def window() -> tuple[datetime | None, datetime]:
        async with due_yard.services.sessions() as session:
            found = (await session.scalars(select(DueWindow))).one()
        return found.opens_at, found.closes_at

    await due_yard.says(NOW, "idle")
    await due_yard.look(NOW)
    midnight = datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert await window() == (midnight, midnight + timedelta(days=1))
    await due_yard.change(Site, timezone="UTC")
    await due_yard.look(NOW)
    assert await window() == (midnight + 2 * HOUR, midnight + 26 * HOUR)
    await due_yard.change(Schedule, schedule_type="once", start_date=NOW.date() - timedelta(days=9), updated_at=NOW)
    await due_yard.look(NOW)
    assert await window() == (None, NOW + timedelta(days=8))
    assert [trouble.clear_since for trouble in await due_yard.troubles()] == [NOW]


async def test_a_wrong_clock_of_the_recorder_does_not_move_the_begin(due_yard: Yard) -> None:
    wrong = NOW - 5 * HOUR
    state = due_yard.state("refused", wrong - MINUTE)
    await due_yard.says(NOW, cameras=[state], clock=written(wrong))
    await due_yard.look(NOW)
    (event,) = await due_yard.events(Kind.DOWN)
    assert event.occurred_at == NOW - MINUTE
