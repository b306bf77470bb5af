"""Fetch now from the pages of a camera and a recording; how a recorder uploads; what is at risk."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Client, ClientContact, Fetch, FetchEnd, Recording, Role
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, path_of, text_of

LogIn = Callable[[Role], Awaitable[Visitor]]
NOW = datetime.now(UTC)


@pytest.fixture
async def recording(fleet: Fleet, services: Services) -> uuid.UUID:
    row = Recording(
        id=uuid7(),
        client_id=fleet.client,
        camera_id=fleet.camera,
        name="Night",
        status=RecordingStatus.COMPLETED,
        started_at=NOW - timedelta(hours=3),
        ended_at=NOW - timedelta(hours=2),
    )
    async with services.sessions.begin() as session:
        session.add(row)
    return row.id


async def fetched(services: Services) -> list[Fetch]:
    async with services.sessions() as session:
        return list(await session.scalars(select(Fetch).order_by(Fetch.id)))


async def test_an_operator_fetches_a_recording_and_sees_how_far_it_is(
    as_role: LogIn, services: Services, recording: uuid.UUID
) -> None:
    operator = await as_role(Role.OPERATOR)
    page = f"/recording/details/{recording}"
    assert "Fetch now" in text_of(await operator.get(page))
    assert path_of(await operator.post(f"/recording/{recording}/fetch")) == page
    shown = text_of(await operator.get(page))
    assert "The recorder was asked" in shown
    assert "asked" in shown
    (fetch,) = await fetched(services)
    async with services.sessions.begin() as session:
        row = await session.get_one(Fetch, fetch.id)
        row.told_at, row.segments_left, row.bytes_left = NOW, 3, 22_500_000
    assert "3 left, 22.5 MB" in text_of(await operator.get(page))
    assert path_of(await operator.post(f"/fetch/{fetch.id}/cancel")) == f"/camera/details/{fetch.camera_id}"
    assert (await fetched(services))[0].result is FetchEnd.CANCELLED
    assert "cancelled" in text_of(await operator.get(page))


async def test_an_interval_is_meant_in_the_sites_time(as_role: LogIn, services: Services, fleet: Fleet) -> None:
    operator = await as_role(Role.OPERATOR)
    page = f"/camera/details/{fleet.camera}"
    assert "Fetch now" in text_of(await operator.get(page))
    sent = {"from": "2026-03-01T12:00", "to": "2026-03-01T12:15:30"}
    assert path_of(await operator.post(f"/camera/{fleet.camera}/fetch", sent)) == page
    (fetch,) = await fetched(services)
    assert fetch.start_at == datetime(2026, 3, 1, 11, tzinfo=UTC)
    assert fetch.end_at == datetime(2026, 3, 1, 11, 15, 30, tzinfo=UTC)
    assert "15 min 30 s" in text_of(await operator.get(page))


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"from": "", "to": ""}, "From: must be a date and a time"),
        ({"from": "2026-03-01T12:00", "to": "2026-03-01T11:00"}, "must be after the start"),
        ({"from": "2026-03-01T12:00", "to": "2026-06-01T11:00"}, "at most 31 days"),
        ({"from": "9999-12-31T23:59", "to": "9999-12-31T23:59:59"}, "must"),
        ({"from": "0001-01-01T00:00", "to": "0001-01-01T00:01"}, "must"),
    ],
)
async def test_what_makes_no_sense_is_told(
    as_role: LogIn, services: Services, fleet: Fleet, sent: dict[str, str], told: str
) -> None:
    operator = await as_role(Role.OPERATOR)
    page = f"/camera/details/{fleet.camera}"
    assert path_of(await operator.post(f"/camera/{fleet.camera}/fetch", sent)) == page
    assert told in text_of(await operator.get(page))
    assert await fetched(services) == []


async def test_nobody_else_fetches(as_role: LogIn, services: Services, fleet: Fleet, recording: uuid.UUID) -> None:
    viewer = await as_role(Role.VIEWER)
    for path in (f"/recording/{recording}/fetch", f"/camera/{fleet.camera}/fetch", f"/fetch/{uuid7()}/cancel"):
        assert (await viewer.post(path)).status_code == 403
    assert await fetched(services) == []
    assert "Fetch now" not in text_of(await viewer.get(f"/recording/details/{recording}"))


async def test_an_operator_sets_how_a_recorder_uploads(as_role: LogIn, services: Services, fleet: Fleet) -> None:
    operator = await as_role(Role.OPERATOR)
    form = f"/client/edit/{fleet.client}"
    assert "Upload hours" in text_of(await operator.get(form))
    sent = {"camera_ids": str(fleet.camera), "upload_limit_kbit": "2000", "upload_hours": "22:00 - 6:00,12:00-13:00"}
    assert path_of(await operator.post(form, sent)) == f"/client/details/{fleet.client}"
    async with services.sessions() as session:
        client = await session.get_one(Client, fleet.client)
    assert (client.upload_limit_kbit, client.upload_hours) == (2000, ["22:00-06:00", "12:00-13:00"])
    shown = text_of(await operator.get(f"/client/details/{fleet.client}"))
    assert "2.0 Mbit/s" in shown
    assert "22:00-06:00, 12:00-13:00" in shown
    for bad, told in ({"upload_hours": "at night"}, "of the form 22:00-06:00"), ({"upload_limit_kbit": "1"}, "greater"):
        answer = await operator.post(form, sent | bad)
        assert answer.status_code == 422
        assert told in text_of(answer)


async def test_a_loss_that_is_foreseen_is_on_the_overview_and_on_the_recorders_page(
    as_role: LogIn, services: Services, fleet: Fleet
) -> None:
    now = datetime.now(UTC)
    at_risk = {
        "since": now.isoformat(),
        "loss_at": (now + timedelta(hours=30, minutes=1)).isoformat(),
        "needed_bytes_per_second": 612_500.0,
    }
    uplink = {"bytes_per_second": 250_000, "capacity_bytes_per_second": 251_000, "limit_kbit": 2000, "is_open": False}
    async with services.sessions.begin() as session:
        heartbeat = {"at_risk": at_risk, "uplink": uplink}
        await session.merge(ClientContact(client_id=fleet.client, last_contact_at=now, heartbeat=heartbeat))
    viewer = await as_role(Role.VIEWER)
    overview = text_of(await viewer.get("/"))
    assert "Footage that will be lost before it is uploaded" in overview
    assert "in 1 d 6 h" in overview
    assert "4.9 Mbit/s of uplink would save it" in overview
    page = text_of(await viewer.get(f"/client/details/{fleet.client}"))
    assert "Footage at risk" in page
    assert "2.0 Mbit/s in the last minute" in page
    assert "closed" in page
    async with services.sessions.begin() as session:
        strange = {"at_risk": {"loss_at": "soon"}, "uplink": "fast"}
        await session.merge(ClientContact(client_id=fleet.client, last_contact_at=now, heartbeat=strange))
    assert (await viewer.get("/")).status_code == 200
    assert (await viewer.get(f"/client/details/{fleet.client}")).status_code == 200
