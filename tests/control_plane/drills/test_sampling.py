"""Samples are drawn at random, each stored segment with the same chance, without reading the table."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import text

from control_plane.drills.sampling import Wanted, drawn
from control_plane.services import Services
from tests.control_plane.recordings.stored import stock

ROWS = 4_000
# Rows of two months, in the order of time; every third is stored, the rest was deleted or is on its way.
INSERT = text("""
    INSERT INTO segments (camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c,
                          sha256, codec, packets, object_name)
    SELECT CAST(:camera_id AS uuid), CAST(:start AS timestamptz) + n * CAST(:step AS interval), gen_random_uuid(),
           CAST(:start AS timestamptz) + (n + 1) * CAST(:step AS interval),
           CAST(:client_id AS uuid), CAST(:client_id AS uuid),
           CASE n % 3 WHEN 0 THEN 'stored' WHEN 1 THEN 'offered' ELSE 'deleted' END,
           1, '', repeat('0', 64), 'h264', n, 'object'
    FROM generate_series(0, CAST(:rows AS integer) - 1) AS n
""")


@pytest.fixture
async def filled(services: Services) -> tuple[Services, datetime]:
    one = await stock(services)
    start = datetime.now(UTC) - timedelta(days=30)
    given = {"camera_id": one.camera_id, "client_id": one.client_id, "start": start, "rows": ROWS}
    async with services.sessions.begin() as session:
        await session.execute(INSERT, given | {"step": timedelta(days=40) / ROWS})
        # Rows that were changed lie elsewhere on their page.
        await session.execute(text("UPDATE segments SET codec = 'h265' WHERE packets % 6 = 0"))
    return services, start


async def test_from_a_large_table_each_has_the_same_chance(filled: tuple[Services, datetime]) -> None:
    services, _ = filled
    random = Random(20261122)
    thirds: Counter[int] = Counter()
    changed = 0
    async with services.sessions() as session:
        for _ in range(20):
            found = await drawn(session, Wanted(60), random, small_pages=0)
            assert len({row.id for row in found}) == 60
            assert {row.packets % 3 for row in found} == {0}, "only what is stored"
            thirds.update(row.packets * 3 // ROWS for row in found)
            changed += sum(row.packets % 6 == 0 for row in found)
    # 1,200 draws: six standard deviations around a third are 98, around a half 104.
    assert all(abs(thirds[n] - 400) < 98 for n in range(3)), thirds
    assert abs(changed - 600) < 104


async def test_what_is_asked_for_beyond_what_there_is_is_left_out(filled: tuple[Services, datetime]) -> None:
    services, start = filled
    since = start + timedelta(days=39)
    stored = (ROWS // 40 + 2) // 3
    async with services.sessions() as session:
        for small_pages in (0, 2000):
            found = await drawn(session, Wanted(1000, since=since), Random(1), small_pages=small_pages)
            assert abs(len(found) - stored) <= 1
            assert all(row.started_at >= since for row in found)


async def test_from_an_empty_table_nothing_is_drawn(services: Services) -> None:
    async with services.sessions() as session:
        assert list(await drawn(session, Wanted(5), Random(1), small_pages=0)) == []
