"""The database tells which recorders' configurations have changed: those, and no others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from tests.postgres import connect

Change = Callable[..., Awaitable[set[str]]]

FLEET = """
    INSERT INTO sites (id, name) VALUES ('{berlin}', 'Berlin'), ('{rome}', 'Rome');
    INSERT INTO clients (id, site_id, name) VALUES
        ('{north}', '{berlin}', 'North'), ('{south}', '{berlin}', 'South'), ('{far}', '{rome}', 'Far');
    INSERT INTO cameras (id, site_id, name, camera_type, record_quality, recording_mode) VALUES
        ('{yard}', '{berlin}', 'Yard', 'rtsp', 'medium', 'local_client'),
        ('{gate}', '{berlin}', 'Gate', 'rtsp', 'medium', 'local_client');
    INSERT INTO client_cameras (client_id, camera_id) VALUES
        ('{north}', '{yard}'), ('{south}', '{gate}');
    INSERT INTO schedules (id, camera_id, name, schedule_type, start_time, end_time)
        VALUES ('{night}', '{yard}', 'Night', 'daily', '22:00', '06:00');
    INSERT INTO commands (id, client_id, kind, asked_by, expires_at)
        VALUES ('{tonight}', '{south}', 'restart', 'operator:maria', now());
    INSERT INTO recordings (id, client_id, camera_id, name, status, started_at)
        VALUES ('{tonight}', '{north}', '{yard}', 'Night', 'recording', now());
"""
NAMES = ("berlin", "rome", "north", "south", "far", "yard", "gate", "night", "tonight")
IDS = {name: f"00000000-0000-7000-8000-{number:012d}" for number, name in enumerate(NAMES)}


@pytest_asyncio.fixture
async def change(database: str) -> AsyncIterator[Change]:
    """Runs a statement, and tells which recorders were named."""
    writer, listener = await connect(database), await connect(database)
    heard: asyncio.Queue[str] = asyncio.Queue()
    await listener.add_listener("config_changed", lambda *event: heard.put_nowait(str(event[3])))
    await writer.execute(FLEET.format(**IDS))
    known = {value: name for name, value in IDS.items()}

    async def run(statement: str) -> set[str]:
        await writer.execute(statement.format(**IDS))
        # Notifications arrive in the order of their commits: what was named before this is there before this.
        await writer.execute("NOTIFY config_changed, 'that is all'")
        named = set()
        async with asyncio.timeout(60):
            while (payload := await heard.get()) != "that is all":
                named.add(known.get(payload, payload))
        return named

    await run("SELECT 1")
    yield run
    await writer.close()
    await listener.close()


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE cameras SET name = 'Court' WHERE id = '{yard}'", {"north"}),
        ("UPDATE cameras SET password_encrypted = 'x' WHERE id = '{yard}'", {"north"}),
        ("UPDATE cameras SET is_active = false", {"north", "south"}),
        ("UPDATE cameras SET name = name, updated_at = now() + interval '1 day'", set()),
        ("UPDATE schedules SET end_time = '05:00'", {"north"}),
        ("UPDATE schedules SET camera_id = '{gate}'", {"north", "south"}),
        ("DELETE FROM schedules", {"north"}),
        (
            """INSERT INTO schedules (id, camera_id, name, schedule_type, start_time, end_time)
            VALUES (gen_random_uuid(), '{gate}', 'Day', 'daily', '06:00', '22:00')""",
            {"south"},
        ),
        ("UPDATE client_cameras SET client_id = '{south}' WHERE camera_id = '{yard}'", {"north", "south"}),
        ("INSERT INTO client_cameras VALUES ('{north}', '{gate}')", {"north"}),
        ("DELETE FROM client_cameras WHERE camera_id = '{yard}'", {"north"}),
        ("DELETE FROM recordings; DELETE FROM cameras WHERE id = '{yard}'", {"north"}),
        ("UPDATE sites SET timezone = 'Europe/Berlin' WHERE name = 'Berlin'", {"north", "south"}),
        ("UPDATE sites SET timezone = 'Europe/Rome' WHERE name = 'Rome'", {"far"}),
        ("UPDATE sites SET updated_at = now() + interval '1 day'", set()),
        ("UPDATE clients SET name = 'Norther' WHERE id = '{north}'", {"north"}),
        ("UPDATE clients SET is_active = false WHERE id = '{far}'", {"far"}),
        ("UPDATE clients SET site_id = '{rome}' WHERE id = '{south}'", {"south"}),
        ("DELETE FROM clients WHERE id = '{far}'", {"far"}),
        (
            """INSERT INTO commands (id, client_id, kind, asked_by, expires_at)
            VALUES (gen_random_uuid(), '{far}', 'restart', 'operator:maria', now())""",
            {"far"},
        ),
        ("UPDATE commands SET accepted_at = now()", {"south"}),
        ("UPDATE commands SET ended_at = now(), ended_as = 'done'", {"south"}),
        ("UPDATE commands SET image_encrypted = NULL, detail = 'seen'", set()),
        ("UPDATE recordings SET held_at = now()", {"north"}),
        ("UPDATE recordings SET held_at = NULL", set()),
        ("UPDATE recordings SET status = 'completed', frames_recorded = 9", set()),
        ("INSERT INTO client_contacts (client_id, last_contact_at) VALUES ('{north}', now())", set()),
    ],
)
async def test_a_change_names_the_recorders_that_it_concerns(change: Change, statement: str, named: set[str]) -> None:
    assert await change(statement) == named


async def test_what_is_rolled_back_names_nobody(change: Change) -> None:
    assert await change("BEGIN; UPDATE cameras SET is_active = false; ROLLBACK") == set()
