"""Which stored segments a drill looks at: drawn at random, each with the same chance.

Over all cameras the draws are of places in the table, (page, number in the page), each as likely as the next; a place
without a row that is meant is drawn again. So each row has exactly the same chance, wherever it lies, and a draw costs
one page, however many rows there are. Of one camera the draws are from its index.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from random import Random
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

_COLUMNS = """segment.id, segment.camera_id, segment.recording_id, segment.started_at, segment.object_name,
    segment.size_bytes, segment.crc32c, segment.sha256, segment.packets"""
_MEANT = """segment.state = 'stored' AND segment.store_url IN ('', :store_url)
    AND (CAST(:since AS timestamptz) IS NULL OR segment.started_at >= :since)"""

_PARTITIONS = text("""
    SELECT relid::regclass::text AS name,
           pg_relation_size(relid) / current_setting('block_size')::integer AS pages,
           (current_setting('block_size')::integer - 24) / 28 AS places
    FROM pg_partition_tree('segments') WHERE isleaf ORDER BY 1
""")
"""`places`: a page has a head of 24 bytes, and a row at least 4 for its pointer and 24 for its own head."""

_ALL = text(f"""
    SELECT {_COLUMNS} FROM segments AS segment WHERE {_MEANT} ORDER BY random() LIMIT :count
""")  # noqa: S608 - our own text

# The index alone answers the inner part: a camera that records day and night has half a million segments a year.
_OF_CAMERA = text(f"""
    SELECT DISTINCT ON (segment.started_at) {_COLUMNS}
    FROM (
        SELECT started_at FROM segments AS segment
        WHERE segment.camera_id = :camera_id AND {_MEANT} ORDER BY random() LIMIT :count
    ) AS drawn
    JOIN segments AS segment ON segment.started_at = drawn.started_at
    WHERE segment.camera_id = :camera_id AND segment.state = 'stored'
""")  # noqa: S608 - our own text

SMALL_PAGES = 2_000
"""A table of up to 16 MB is read as a whole: sooner done than drawing from it what it may not have."""
_DRAWS = 1_024
# And one more for each sample. A hundred thousand pages: enough for twenty where one row of three hundred is stored.
_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a drill is about."""

    samples: int
    camera_id: uuid.UUID | None = None
    since: datetime | None = None
    """Only what was recorded from then on."""
    store_url: str = ""
    """Only what lies there, or may."""


async def drawn(
    session: AsyncSession, wanted: Wanted, random: Random, *, small_pages: int = SMALL_PAGES
) -> Sequence[Row[Any]]:
    """Up to so many different segments, in no order; fewer where there are not more."""
    given = {"since": wanted.since, "store_url": wanted.store_url, "count": wanted.samples}
    if wanted.camera_id is not None:
        return (await session.execute(_OF_CAMERA, given | {"camera_id": wanted.camera_id})).all()
    partitions = [one for one in await session.execute(_PARTITIONS) if one.pages]
    if sum(one.pages for one in partitions) <= small_pages:
        return (await session.execute(_ALL, given)).all()
    return await _from_places(session, partitions, wanted, random)


async def _from_places(
    session: AsyncSession, partitions: Sequence[Row[Any]], wanted: Wanted, random: Random
) -> Sequence[Row[Any]]:
    weights = list(accumulate(one.pages for one in partitions))
    found: dict[uuid.UUID, Row[Any]] = {}
    for _ in range(_ROUNDS + wanted.samples):
        places: dict[str, list[tuple[int, int]]] = {}
        for partition in random.choices(partitions, cum_weights=weights, k=_DRAWS):
            place = (random.randrange(partition.pages), random.randint(1, partition.places))
            places.setdefault(partition.name, []).append(place)
        hits = [row for name, drawn_here in places.items() for row in await _at(session, name, drawn_here, wanted)]
        # All draws of a round are asked for together: without this the first partitions would be preferred.
        random.shuffle(hits)
        for row in hits:
            found.setdefault(row.id, row)
            if len(found) == wanted.samples:
                return list(found.values())
    return list(found.values())


async def _at(
    session: AsyncSession, partition: str, places: list[tuple[int, int]], wanted: Wanted
) -> Sequence[Row[Any]]:
    query = text(f"""
        SELECT {_COLUMNS} FROM {partition} AS segment WHERE segment.ctid = ANY(CAST(:places AS tid[])) AND {_MEANT}
    """)  # noqa: S608 - a partition's name, quoted by PostgreSQL
    given = {"places": places, "since": wanted.since, "store_url": wanted.store_url}
    return (await session.execute(query, given)).all()
