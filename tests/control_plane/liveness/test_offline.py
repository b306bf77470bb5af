"""Recorders that fall silent: one event for one silence, with its start and its end."""

from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from control_plane.fleet.contact import OFFLINE_AFTER
from control_plane.liveness.kinds import PATIENCE, Kind
from control_plane.liveness.listening import note_listening, was_listening
from control_plane.liveness.watch import Noted
from control_plane.models import Client
from control_plane.services import Services
from tests.control_plane.liveness.yard import HOUR, MINUTE, NOW, SECOND, Yard, forget_listeners

CALM = PATIENCE[Kind.OFFLINE].calm


async def test_one_silence_is_one_event_from_the_last_contact_to_the_return(yard: Yard) -> None:
    assert await yard.look(NOW + OFFLINE_AFTER) == Noted(), "within the grace there is nothing to tell"
    for minute in range(5):
        await yard.look(NOW + OFFLINE_AFTER + SECOND + minute * MINUTE)
    (event,) = await yard.events()
    assert (event.subject_id, event.occurred_at, event.detail) == (yard.client, NOW, {"name": "Box"})
    assert (event.kind, event.subject_type, event.is_lasting, event.ended_at) == (
        "client.offline",
        "client",
        True,
        None,
    )
    back = NOW + 2 * HOUR
    await yard.calls(back)
    assert await yard.look(back + SECOND) == Noted(), "it must stay for a while"
    await yard.calls(back + CALM)
    assert await yard.look(back + CALM + SECOND) == Noted(ended=1)
    assert await yard.look(back + CALM + 2 * SECOND) == Noted()
    (event,) = await yard.events()
    assert event.ended_at == back + SECOND, "when it was back, not when that was believed"
    assert await yard.troubles() == []


async def test_short_holes_are_no_events(yard: Yard) -> None:
    for minutes in (2, 4, 6, 8):
        await yard.calls(NOW + minutes * MINUTE)
        assert await yard.look(NOW + minutes * MINUTE + 119 * SECOND) == Noted()
    assert await yard.events() == []


async def test_each_later_silence_is_an_event_of_its_own(yard: Yard) -> None:
    for hour in (1, 2):
        await yard.look(NOW + hour * HOUR - 2 * CALM)
        back = NOW + hour * HOUR - CALM
        await yard.calls(back)
        await yard.look(back)
        await yard.calls(NOW + hour * HOUR)
        assert await yard.look(NOW + hour * HOUR) == Noted(ended=1)
    assert [event.occurred_at for event in await yard.events()] == [NOW, NOW + HOUR]


async def test_a_recorder_that_calls_now_and_then_is_one_outage(yard: Yard) -> None:
    for call in range(5):
        at = NOW + call * 4 * MINUTE
        await yard.calls(at)
        for half in range(8):
            await yard.look(at + half * 30 * SECOND)
    (event,) = await yard.events()
    assert (event.occurred_at, event.ended_at) == (NOW, None)
    at = NOW + HOUR
    for minute in range(6):
        await yard.calls(at + minute * MINUTE)
        await yard.look(at + minute * MINUTE)
    (event,) = await yard.events()
    assert event.ended_at == at


@pytest.mark.parametrize("is_active", [True, False])
async def test_whoever_is_taken_out_of_service_is_not_missed(yard: Yard, *, is_active: bool) -> None:
    await yard.look(NOW + HOUR)
    await yard.change(Client, is_active=is_active)
    assert await yard.look(NOW + 2 * HOUR) == Noted(ended=0 if is_active else 1)
    assert await yard.look(NOW + 3 * HOUR) == Noted(), "and nothing begins anew"


async def test_a_silence_while_nobody_listened_is_no_recorders(yard: Yard, services: Services) -> None:
    await forget_listeners(services)
    assert await yard.look(NOW + HOUR) == Noted()
    first, second, started = uuid7(), uuid7(), NOW + HOUR
    for replica, seconds in ((first, 0), (first, 10), (first, 20), (second, 30), (second, 40), (second, 55)):
        async with services.sessions.begin() as session:
            await note_listening(session, replica, started + seconds * SECOND)
    # A rolling restart: one takes over from the other, and there is always somebody.
    assert await yard.look(started + 80 * SECOND) == Noted()
    for seconds in range(70, 190, 10):
        async with services.sessions.begin() as session:
            await note_listening(session, second, started + seconds * SECOND)
    assert await yard.look(started + OFFLINE_AFTER) == Noted(begun=1)


async def test_a_hole_in_listening_is_seen_whoever_listened(services: Services) -> None:
    replica, other = uuid7(), uuid7()
    for who, seconds in ((replica, 0), (replica, 10), (replica, 60), (other, 60), (replica, 80)):
        async with services.sessions.begin() as session:
            await note_listening(session, who, NOW + seconds * SECOND)
    async with services.sessions() as session:
        assert await was_listening(session, NOW + 61 * SECOND, NOW + 100 * SECOND)
        assert not await was_listening(session, NOW + 59 * SECOND, NOW + 100 * SECOND), "not from 40 to 60"
        assert not await was_listening(session, NOW + 61 * SECOND, NOW + 111 * SECOND), "nor now"
    async with services.sessions.begin() as session:
        await note_listening(session, other, NOW + timedelta(days=2))
    async with services.sessions() as session:
        assert not await was_listening(session, NOW + 61 * SECOND, NOW + 100 * SECOND), "rows of last week are gone"
