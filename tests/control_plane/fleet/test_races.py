"""What two operators do at the same moment leaves nothing that either alone would have been refused."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import Conflict, Invalid
from control_plane.events import COMMAND_LINE
from control_plane.fleet.cameras import CameraChange, NewCamera, change_camera, create_camera, find_camera
from control_plane.fleet.clients import assign_camera, assigned_cameras, create_client, find_client
from control_plane.fleet.sites import site_named
from control_plane.security.principals import UNLIMITED
from control_plane.services import Services


async def _made(services: Services) -> tuple[uuid.UUID, uuid.UUID, uuid.UUID]:
    """A client and a camera at one site, and another site."""
    async with services.sessions.begin() as session:
        here = await site_named(session, "Here", actor=COMMAND_LINE)
        there = await site_named(session, "There", actor=COMMAND_LINE)
        new = NewCamera(name="Yard", site_id=here.id, ip_address="10.0.0.5")
        camera = await create_camera(session, services.secrets, new, actor=COMMAND_LINE)
        client, _ = await create_client(session, "Box", here.id, actor=COMMAND_LINE)
        return client.id, camera.id, there.id


async def test_a_camera_is_not_assigned_while_it_moves_away(services: Services) -> None:
    client_id, camera_id, there = await _made(services)

    async def move(session: AsyncSession) -> None:
        camera = await find_camera(session, camera_id, seen_by=UNLIMITED, for_change=True)
        await change_camera(session, services.secrets, camera, CameraChange(site_id=there), actor=COMMAND_LINE)

    async def assign(session: AsyncSession) -> None:
        await assign_camera(
            session,
            await find_client(session, client_id, seen_by=UNLIMITED, for_change=True),
            camera_id,
            actor=COMMAND_LINE,
        )

    for first, second in ((move, assign), (assign, move)):
        await _reset(services, camera_id, client_id)
        refused = await _overlapped(services, first, second)
        assert isinstance(refused, Conflict | Invalid)


async def test_two_assignments_at_once_are_both_kept(services: Services) -> None:
    client_id, first_id, _ = await _made(services)
    async with services.sessions.begin() as session:
        site_id = (await find_client(session, client_id, seen_by=UNLIMITED)).site_id
        new = NewCamera(name="Gate", site_id=site_id, ip_address="10.0.0.6")
        second_id = (await create_camera(session, services.secrets, new, actor=COMMAND_LINE)).id

    def assign(camera_id: uuid.UUID) -> Callable[[AsyncSession], Awaitable[None]]:
        async def run(session: AsyncSession) -> None:
            client = await find_client(session, client_id, seen_by=UNLIMITED, for_change=True)
            await assign_camera(session, client, camera_id, actor=COMMAND_LINE)

        return run

    assert await _overlapped(services, assign(first_id), assign(second_id)) is None
    async with services.sessions() as session:
        assert await assigned_cameras(session, client_id) == {first_id, second_id}


async def _overlapped(
    services: Services,
    first: Callable[[AsyncSession], Awaitable[None]],
    second: Callable[[AsyncSession], Awaitable[None]],
) -> Exception | None:
    """Commit `first` only when `second` waits for it; what `second` was told."""

    async def run_second() -> None:
        async with services.sessions.begin() as session:
            await second(session)

    async with services.sessions.begin() as session:
        await first(session)
        running = asyncio.create_task(run_second())
        await _someone_waits_for_a_lock(services)
    try:
        await running
    except (Conflict, Invalid) as error:
        return error
    return None


async def _someone_waits_for_a_lock(services: Services) -> None:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(60), services.engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        while not (await connection.execute(query)).scalar_one():  # noqa: ASYNC110 - PostgreSQL tells nobody of it
            await asyncio.sleep(0.01)


async def _reset(services: Services, camera_id: uuid.UUID, client_id: uuid.UUID) -> None:
    async with services.engine.begin() as connection:
        await connection.execute(text("DELETE FROM client_cameras"))
        query = "UPDATE cameras SET site_id = (SELECT site_id FROM clients WHERE id = :client) WHERE id = :camera"
        await connection.execute(text(query), {"client": client_id, "camera": camera_id})
