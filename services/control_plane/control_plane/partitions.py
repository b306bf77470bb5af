"""The monthly partitions of the big tables: made ahead, so that rows never pile up in the default partition."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import islice

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

log = structlog.get_logger()

PARTITIONED_TABLES = ("segments", "events")
MONTHS_AHEAD = 3

_ADVISORY_LOCK = 7_221_002


async def ensure_partitions(connection: AsyncConnection, now: datetime) -> list[str]:
    """Make what is missing for this month and the next three; the names of what was made.

    Safe to repeat and to run on several replicas at once. A month whose rows already lie in the default partition
    stays there: moving them would lock the table, and reading them works all the same.
    """
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    made = []
    for table in PARTITIONED_TABLES:
        existing = await _partitions(connection, table)
        for month in islice(months(now.astimezone(UTC).date()), MONTHS_AHEAD + 1):
            name = partition_name(table, month)
            if name not in existing and await _make(connection, table, month):
                made.append(name)
    return made


async def ensure_month(connection: AsyncConnection, table: str, month: date) -> bool:
    """Make one month's partition, however long ago; whether it was made. Safe as `ensure_partitions` is."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    return partition_name(table, month) not in await _partitions(connection, table) and await _make(
        connection, table, month
    )


async def _make(connection: AsyncConnection, table: str, month: date) -> bool:
    if await _has_strays(connection, table, month):
        reason = "its rows are in the default partition"
        log.warning("partition_not_made", partition=partition_name(table, month), reason=reason)
        return False
    await connection.execute(text(create_partition(table, month)))
    return True


def months(first: date) -> Iterator[date]:
    """The first days of the month of `first` and of those that follow."""
    month = first.replace(day=1)
    while True:
        yield month
        month = following(month)


def following(month: date) -> date:
    """The first day of the next month."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def partition_name(table: str, month: date) -> str:
    """As in `segments_p202611`."""
    return f"{table}_p{month:%Y%m}"


def create_partition(table: str, month: date) -> str:
    """The statement that makes one partition; bounds are UTC, whatever the session's zone."""
    return (
        f"CREATE TABLE {partition_name(table, month)} PARTITION OF {table} "
        f"FOR VALUES FROM ('{month} 00:00:00+00') TO ('{following(month)} 00:00:00+00')"
    )


async def _partitions(connection: AsyncConnection, table: str) -> set[str]:
    found = await connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = to_regclass(:table)"), {"table": table}
    )
    return set(found.scalars())


async def _has_strays(connection: AsyncConnection, table: str, month: date) -> bool:
    column = "occurred_at" if table == "events" else "started_at"
    found = await connection.execute(
        text(f"SELECT EXISTS (SELECT FROM {table}_default WHERE {column} >= :start AND {column} < :end)"),  # noqa: S608 - our names
        {
            "start": datetime.combine(month, datetime.min.time(), UTC),
            "end": datetime.combine(following(month), datetime.min.time(), UTC),
        },
    )
    return bool(found.scalar_one())
