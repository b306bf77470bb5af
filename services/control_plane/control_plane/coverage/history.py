"""What the database remembers of earlier schedules, cameras and sites."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Uuid, any_, cast, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from control_plane.coverage.due import History, Said
from control_plane.coverage.spans import Span
from control_plane.models import Version

_COLUMNS = (Version.subject_id, Version.owner_id, Version.since, Version.until, Version.said)


async def histories(session: AsyncSession, camera_ids: Collection[UUID], period: Span) -> dict[UUID, History]:
    """What was said of each camera within the period, in three statements."""
    cameras = await _by_subject(session, camera_ids, period)
    schedules: dict[UUID, list[Said]] = defaultdict(list)
    of_cameras = select(*_COLUMNS).where(_is_among(Version.owner_id, camera_ids), *_touches(period))
    for row in await session.execute(of_cameras):
        schedules[row.owner_id].append(Said(*row))
    site_ids = {said.owner_id for versions in cameras.values() for said in versions if said.owner_id}
    sites = await _by_subject(session, site_ids, period)
    return {id_: History(cameras.get(id_, ()), schedules.get(id_, ()), sites) for id_ in camera_ids}


async def _by_subject(session: AsyncSession, ids: Collection[UUID], period: Span) -> dict[UUID, Sequence[Said]]:
    found: dict[UUID, list[Said]] = defaultdict(list)
    query = select(*_COLUMNS).where(_is_among(Version.subject_id, ids), *_touches(period))
    for row in await session.execute(query):
        found[row.subject_id].append(Said(*row))
    return dict(found)


def _is_among(column: InstrumentedAttribute[Any], ids: Collection[UUID]) -> ColumnElement[bool]:
    # One parameter, however many ids: a list of them would end at 32,767.
    return column == any_(cast(list(ids), ARRAY(Uuid)))


def _touches(period: Span) -> tuple[ColumnElement[bool], ...]:
    start, end = period
    return Version.since < end, or_(Version.until.is_(None), Version.until > start)
