"""The queue is reached where DATABASE_URL says, as everything else is."""

import pytest
from procrastinate.exceptions import AlreadyEnqueued
from sqlalchemy.engine import make_url

from control_plane.jobs.periodic import PERIODIC, create_jobs
from control_plane.jobs.queue import connection_arguments
from control_plane.services import Services


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql+asyncpg://camfleet:p%40ss@db.example:5433/fleet?ssl=require",
            {
                "host": "db.example",
                "port": 5433,
                "user": "camfleet",
                "password": "p@ss",
                "dbname": "fleet",
                "sslmode": "require",
            },
        ),
        (
            "postgresql+asyncpg://camfleet@/fleet?host=/run/postgresql&target_session_attrs=read-write",
            {
                "host": "/run/postgresql",
                "user": "camfleet",
                "dbname": "fleet",
                "target_session_attrs": "read-write",
            },
        ),
        (
            "postgresql+asyncpg://u@/fleet?host=one&host=two&port=5432&port=5433&prepared_statement_cache_size=0",
            {"host": "one,two", "port": "5432,5433", "user": "u", "dbname": "fleet"},
        ),
    ],
)
def test_the_url_means_the_same_to_both_drivers(url: str, expected: dict[str, object]) -> None:
    given = connection_arguments(make_url(url))
    ours = {"application_name", "connect_timeout", "options", "tcp_user_timeout"}
    assert {
        name: value for name, value in given.items() if name not in ours and not name.startswith("keepalives")
    } == expected


async def test_ticks_do_not_pile_up(services: Services) -> None:
    """While all replicas are busy, or away, one of each waits."""
    queue = create_jobs(services)
    async with queue.open_async():
        for job in PERIODIC:
            await queue.tasks[job.name].defer_async(timestamp=0)
            with pytest.raises(AlreadyEnqueued):
                await queue.tasks[job.name].defer_async(timestamp=60)
