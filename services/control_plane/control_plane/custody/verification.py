"""Looking through a camera's footage of a period, in the database and in the store."""

import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.custody.findings import Finding, Kind, Tally
from control_plane.custody.links import Walk
from control_plane.custody.objects import Objects
from control_plane.custody.rows import PAGE, CameraRows, Chain
from control_plane.models import Segment
from control_plane.stores import Store


async def verify(
    sessions: async_sessionmaker[AsyncSession],
    store: Store,
    camera_id: uuid.UUID,
    start: datetime,
    end: datetime,
    tally: Tally,
    *,
    now: datetime,
    with_bytes: bool = False,
) -> AsyncIterator[Finding]:
    """Everything that differs, in no more memory than a page of rows; `tally` counts on the way.

    Raises StoreUnavailableError: what can't be looked at is not said to be well.
    """
    rows = CameraRows(sessions, camera_id)
    objects = Objects(store, rows, tally, with_bytes=with_bytes)
    async for finding in _everything(rows, objects, (start, end), now, tally):
        if finding.is_problem:
            tally.problems += 1
        else:
            tally.notes[finding.kind] = tally.notes.get(finding.kind, 0) + 1
        yield finding


async def _everything(
    rows: CameraRows, objects: Objects, period: tuple[datetime, datetime], now: datetime, tally: Tally
) -> AsyncIterator[Finding]:
    for chain in await rows.chains(*period):
        tally.chains.append(_end_of(chain))
        async for finding in _chain(Walk(rows, objects, chain, now), rows.links(chain), objects, period, tally):
            yield finding
    async for finding in _unchained(rows, objects, *period, tally):
        yield finding
    async for finding in objects.unknown(*period):
        yield finding


async def _chain(
    walk: Walk, links: AsyncIterator[Segment], objects: Objects, period: tuple[datetime, datetime], tally: Tally
) -> AsyncIterator[Finding]:
    page = list[Segment]()
    async for segment in links:
        is_in_period = period[0] <= segment.started_at < period[1]
        async for finding in walk.next(segment, is_in_period=is_in_period):
            yield finding
        if is_in_period:
            page.append(segment)
        if len(page) == PAGE:
            for finding in await _compared(objects, page, tally):
                yield finding
            page = []
    for finding in await _compared(objects, page, tally):
        yield finding
    async for finding in walk.end():
        yield finding


async def _unchained(
    rows: CameraRows, objects: Objects, start: datetime, end: datetime, tally: Tally
) -> AsyncIterator[Finding]:
    begins: dict[uuid.UUID, datetime | None] = {}
    count, page = 0, list[Segment]()
    async for segment in rows.unchained(start, end):
        if segment.client_id not in begins:
            begins[segment.client_id] = await rows.begin_of_chains(segment.client_id)
        begin = begins[segment.client_id]
        if begin is not None and segment.started_at >= begin:
            text = "a row in no chain, of a recorder that counted this camera's segments by then"
            yield Finding(Kind.SEGMENT_INSERTED, text, segment.id, object_name=segment.object_name)
        count += 1
        page.append(segment)
        if len(page) == PAGE:
            for finding in await _compared(objects, page, tally):
                yield finding
            page = []
    for finding in await _compared(objects, page, tally):
        yield finding
    if count:
        text = f"{count} segments of this period are in no chain: only their bytes could be compared"
        yield Finding(Kind.NOT_CHAINED, text)


async def _compared(objects: Objects, segments: Sequence[Segment], tally: Tally) -> Sequence[Finding]:
    tally.segments += len(segments)
    return await objects.compared(segments)


def _end_of(chain: Chain) -> dict[str, object]:
    head = chain.head
    return {
        "client_id": str(chain.client_id),
        "chain_id": str(chain.chain_id),
        "head": None
        if head is None
        else {
            "sequence": head.sequence,
            "segment_id": str(head.segment_id),
            "sha256": head.sha256,
            "link_sha256": head.link_sha256,
            "waiting_from": head.waiting_from,
            "given_up": head.given_up,
            "told_at": head.seen_at.isoformat(),
        },
    }
