"""Holding a recording from its page."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Recording, Role
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, path_of, text_of

LogIn = Callable[[Role], Awaitable[Visitor]]


@pytest.fixture
async def recording(fleet: Fleet, services: Services) -> uuid.UUID:
    row = Recording(
        id=uuid7(),
        client_id=fleet.client,
        camera_id=fleet.camera,
        name="Night",
        status=RecordingStatus.COMPLETED,
        started_at=datetime.now(UTC),
    )
    async with services.sessions.begin() as session:
        session.add(row)
    return row.id


async def held_at(services: Services, recording: uuid.UUID) -> datetime | None:
    async with services.sessions() as session:
        return (await session.get_one(Recording, recording)).held_at


async def test_an_operator_holds_and_releases_a_recording_on_its_page(
    as_role: LogIn, services: Services, recording: uuid.UUID
) -> None:
    operator = await as_role(Role.OPERATOR)
    page = f"/recording/details/{recording}"
    assert "Hold" in text_of(await operator.get(page))
    assert path_of(await operator.post(f"/recording/{recording}/hold")) == page
    assert await held_at(services, recording) is not None
    shown = text_of(await operator.get(page))
    assert "The recording is held" in shown
    assert "Release" in shown
    assert "Night" not in text_of(await operator.get("/recording/list", held="no"))
    assert str(recording) in (await operator.get("/recording/list", held="yes")).text

    assert path_of(await operator.post(f"/recording/{recording}/release")) == page
    assert await held_at(services, recording) is None
    assert str(recording) not in (await operator.get("/recording/list", held="yes")).text


async def test_nobody_else_holds_it(as_role: LogIn, services: Services, recording: uuid.UUID) -> None:
    viewer = await as_role(Role.VIEWER)
    assert (await viewer.post(f"/recording/{recording}/hold")).status_code == 403
    assert (
        'action="http://console.test/admin/recording' not in (await viewer.get(f"/recording/details/{recording}")).text
    )
    operator = await as_role(Role.OPERATOR)
    assert (await operator.get(f"/recording/{recording}/hold")).status_code in {404, 405}, "reading changes nothing"
    forged = await operator.client.post(f"/admin/recording/{recording}/hold", data={"csrf_token": "forged"})
    assert forged.status_code == 403
    assert (await operator.post(f"/recording/{uuid.uuid4()}/hold")).status_code == 404
    assert (await operator.post("/recording/nonsense/hold")).status_code == 404
    assert await held_at(services, recording) is None
