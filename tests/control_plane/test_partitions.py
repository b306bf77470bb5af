"""Partitions are made ahead, once, and rows never get lost for want of one."""

import asyncio
from datetime import UTC, datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.partitions import PARTITIONED_TABLES, ensure_partitions
from control_plane.services import Services

FAR = datetime(2040, 11, 30, 23, 59, tzinfo=UTC)


async def names(connection: AsyncConnection, table: str) -> list[str]:
    found = await connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table) ORDER BY 1"),
        {"table": table},
    )
    return list(found.scalars())


async def test_this_month_and_three_more_are_made_across_the_year(services: Services) -> None:
    async with services.engine.begin() as connection:
        made = await ensure_partitions(connection, FAR)
        assert made == [
            f"{table}_p{month}" for table in PARTITIONED_TABLES for month in ("204011", "204012", "204101", "204102")
        ]
        assert await ensure_partitions(connection, FAR) == [], "repeating is safe"


async def test_the_migration_has_made_what_is_needed_now(services: Services) -> None:
    async with services.engine.begin() as connection:
        for table in PARTITIONED_TABLES:
            assert len(await names(connection, table)) == 8, "three months back, this one, three ahead, and the default"
        assert await ensure_partitions(connection, datetime.now(UTC)) == []


async def test_replicas_do_not_race(services: Services) -> None:
    async def replica() -> list[str]:
        async with services.engine.begin() as connection:
            return await ensure_partitions(connection, FAR)

    async with asyncio.TaskGroup() as tasks:
        replicas = [tasks.create_task(replica()) for _ in range(3)]
    assert sorted(len(task.result()) for task in replicas) == [0, 0, 8]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
async def test_months_begin_in_utc_whatever_the_zone_of_the_session(services: Services, zone: str) -> None:
    async with services.engine.begin() as connection:
        await connection.execute(text(f"SET LOCAL timezone = '{zone}'"))
        await ensure_partitions(connection, FAR)
        await record(connection, "2040-11-30 23:59:59.999999+00")
        await record(connection, "2040-12-01 00:00:00+00")
        found = await connection.execute(text("SELECT tableoid::regclass::text FROM events ORDER BY occurred_at"))
        assert list(found.scalars()) == ["events_p204011", "events_p204012"]


async def test_a_month_with_rows_in_the_default_partition_is_left_there(services: Services) -> None:
    async with services.engine.begin() as connection:
        await record(connection, "2040-12-24 18:00:00+00")
        made = await ensure_partitions(connection, FAR)
        assert "events_p204012" not in made
        assert "segments_p204012" in made
        assert "events_p204101" in made
        found = await connection.execute(text("SELECT tableoid::regclass::text FROM events"))
        assert list(found.scalars()) == ["events_default"]


async def record(connection: AsyncConnection, moment: str) -> None:
    await connection.execute(
        text(
            "INSERT INTO events (subject_id, occurred_at, id, subject_type, kind, actor)"
            " VALUES (gen_random_uuid(), CAST(CAST(:moment AS text) AS timestamptz), gen_random_uuid(),"
            " 'site', 'site.changed', 'control-plane')"
        ),
        {"moment": moment},
    )
