"""Outages: one event for one silence, with its start and its end."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from control_plane.fleet.outages import KIND, TOLD_AFTER, note_outages
from control_plane.models import Client, ClientContact, Event, Site
from control_plane.services import Services

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def recorder(services: Services, last_contact_at: datetime) -> uuid.UUID:
    async with services.sessions.begin() as session:
        site = Site(id=uuid7(), name=f"Harbour {uuid7()}")
        session.add(site)
        await session.flush()
        client = Client(id=uuid7(), site_id=site.id, name="Box")
        session.add(client)
        await session.flush()
        session.add(ClientContact(client_id=client.id, last_contact_at=last_contact_at))
    return client.id


async def calls(services: Services, client: uuid.UUID, at: datetime) -> None:
    async with services.sessions.begin() as session:
        await session.execute(update(ClientContact).where(ClientContact.client_id == client).values(last_contact_at=at))


async def look(services: Services, at: datetime) -> tuple[int, int]:
    async with services.sessions.begin() as session:
        return await note_outages(session, at)


async def events(services: Services) -> Sequence[Event]:
    async with services.sessions() as session:
        return (await session.scalars(select(Event).where(Event.kind == KIND).order_by(Event.occurred_at))).all()


async def test_one_silence_is_one_event_from_the_last_contact_to_the_return(services: Services) -> None:
    client = await recorder(services, NOW)
    assert await look(services, NOW + TOLD_AFTER) == (0, 0), "within the grace there is nothing to tell"
    for minute in range(5):
        await look(services, NOW + TOLD_AFTER + SECOND + minute * timedelta(minutes=1))
    (event,) = await events(services)
    assert (event.subject_id, event.occurred_at, event.detail) == (client, NOW, {"name": "Box"})
    back = NOW + timedelta(hours=2)
    await calls(services, client, back)
    assert await look(services, back + SECOND) == (0, 1)
    assert await look(services, back + 2 * SECOND) == (0, 0)
    (event,) = await events(services)
    assert datetime.fromisoformat(event.detail["end"]) == back + SECOND


async def test_short_holes_are_no_events(services: Services) -> None:
    client = await recorder(services, NOW)
    for minutes in (2, 4, 6, 8):
        await calls(services, client, NOW + timedelta(minutes=minutes))
        assert await look(services, NOW + timedelta(minutes=minutes, seconds=119)) == (0, 0)
    assert await events(services) == []


async def test_each_later_silence_is_an_event_of_its_own(services: Services) -> None:
    client = await recorder(services, NOW)
    for hour in (1, 2):
        await look(services, NOW + timedelta(hours=hour) - SECOND)
        await calls(services, client, NOW + timedelta(hours=hour))
        assert await look(services, NOW + timedelta(hours=hour, seconds=1)) == (0, 1)
    assert [event.occurred_at for event in await events(services)] == [NOW, NOW + timedelta(hours=1)]


@pytest.mark.parametrize("is_active", [True, False])
async def test_whoever_is_taken_out_of_service_is_not_missed(services: Services, *, is_active: bool) -> None:
    client = await recorder(services, NOW)
    await look(services, NOW + timedelta(hours=1))
    async with services.sessions.begin() as session:
        await session.execute(update(Client).where(Client.id == client).values(is_active=is_active))
    assert await look(services, NOW + timedelta(hours=2)) == (0, 0 if is_active else 1)
    assert await look(services, NOW + timedelta(hours=3)) == (0, 0), "and nothing begins anew"
