"""What the database knows of a camera's chains, read in pieces however long they are."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from camfleet_contract.chains import Link
from camfleet_contract.gaps import GapCause
from control_plane.custody.deletions import FOOTAGE_DELETED, Deletion, told_of
from control_plane.custody.rebuilt import INDEX_REBUILT, Rebuilt, rebuilt_chains
from control_plane.models import ChainHead, Event, Gap, Segment, SegmentState

PAGE = 500
_GIVEN_UP_AS = (GapCause.RETENTION, GapCause.DISK_MISSING, GapCause.DISK_FULL, GapCause.POWER_LOST)


@dataclass(frozen=True, slots=True)
class Chain:
    """One recorder's chain of a camera, as far as it matters for a period."""

    client_id: uuid.UUID
    chain_id: uuid.UUID
    first: int
    """The number from which on it is looked at: one before the period, if there is one."""
    last: int
    """The number up to which: one after the period, or where the recorder said that the chain ends."""
    heads: Sequence[ChainHead]
    """What the recorder told, day by day."""
    rebuilt: Rebuilt | None
    """If a part of it was recreated from the store."""

    @property
    def head(self) -> ChainHead | None:
        """The last word."""
        return max(self.heads, key=lambda head: (head.sequence, head.seen_at), default=None)


class CameraRows:
    """Reads one camera's rows; each call is a transaction of its own."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], camera_id: uuid.UUID) -> None:
        self._sessions = sessions
        self.camera_id = camera_id

    async def chains(self, start: datetime, end: datetime) -> list[Chain]:
        """All that have a segment in the period, and those whose recorder says that they reach into it or beyond."""
        ours = (Segment.camera_id == self.camera_id, Segment.chain_id.is_not(None))
        within = (*ours, Segment.started_at >= start, Segment.started_at < end)
        key = (Segment.client_id, Segment.chain_id)
        async with self._sessions() as session:
            heads = list(
                await session.scalars(
                    select(ChainHead).where(ChainHead.camera_id == self.camera_id).order_by(ChainHead.day)
                )
            )
            counted = await session.execute(
                select(*key, func.min(Segment.sequence), func.max(Segment.sequence)).where(*within).group_by(*key)
            )
            spans = {(client, chain): (low, high) for client, chain, low, high in counted if chain is not None}
            rebuilt = rebuilt_chains(await self._events(session, INDEX_REBUILT))
            known = list(dict.fromkeys([*spans, *((head.client_id, head.chain_id) for head in heads), *rebuilt]))
            chains = []
            for client_id, chain_id in known:
                mine = (*ours, Segment.client_id == client_id, Segment.chain_id == chain_id)
                before = await session.scalar(
                    select(Segment.sequence)
                    .where(*mine, Segment.started_at < start)
                    .order_by(Segment.started_at.desc())
                    .limit(1)
                )
                after = await session.scalar(
                    select(Segment.sequence)
                    .where(*mine, Segment.started_at >= end)
                    .order_by(Segment.started_at)
                    .limit(1)
                )
                told = [head for head in heads if (head.client_id, head.chain_id) == (client_id, chain_id)]
                low, high = spans.get((client_id, chain_id), (None, None))
                found = rebuilt.get((client_id, chain_id))
                newest = max([head.sequence for head in told] + ([found.highest] if found else []), default=0)
                # The link before the period's lowest, which need not be the one before it in time.
                first = max(1, min(before or 1, (low or 1) - 1 if low else before or 1))
                last = max(number for number in (high or 0, after if after is not None else newest))
                chains.append(Chain(client_id, chain_id, first, last, told, found))
        return chains

    async def _events(self, session: AsyncSession, kind: str, *more: ColumnElement[bool]) -> Sequence[Event]:
        query = select(Event).where(Event.subject_id == self.camera_id, Event.kind == kind, *more)
        return (await session.scalars(query.order_by(Event.occurred_at))).all()

    async def links(self, chain: Chain) -> AsyncIterator[Segment]:
        """The chain's rows from first to last, in their order."""
        after = (chain.first - 1, uuid.UUID(int=2**128 - 1))
        while True:
            query = (
                select(Segment)
                .where(
                    Segment.camera_id == self.camera_id,
                    Segment.client_id == chain.client_id,
                    Segment.chain_id == chain.chain_id,
                    Segment.sequence >= after[0],
                    (Segment.sequence > after[0]) | (Segment.id > after[1]),
                    Segment.sequence <= chain.last,
                )
                .order_by(Segment.sequence, Segment.id)
                .limit(PAGE)
            )
            async with self._sessions() as session:
                page = list(await session.scalars(query))
            for segment in page:
                yield segment
            if len(page) < PAGE:
                return
            after = (page[-1].sequence or 0, page[-1].id)

    async def unchained(self, start: datetime, end: datetime) -> AsyncIterator[Segment]:
        """Rows that are in no chain, by time."""
        after = (start, uuid.UUID(int=0))
        while True:
            query = (
                select(Segment)
                .where(
                    Segment.camera_id == self.camera_id,
                    Segment.chain_id.is_(None),
                    Segment.started_at >= after[0],
                    (Segment.started_at > after[0]) | (Segment.id > after[1]),
                    Segment.started_at < end,
                )
                .order_by(Segment.started_at, Segment.id)
                .limit(PAGE)
            )
            async with self._sessions() as session:
                page = list(await session.scalars(query))
            for segment in page:
                yield segment
            if len(page) < PAGE:
                return
            after = (page[-1].started_at, page[-1].id)

    async def begin_of_chains(self, client_id: uuid.UUID) -> datetime | None:
        """Since when a recorder has counted this camera's segments, by its own clock."""
        query = select(Segment.started_at).where(
            Segment.camera_id == self.camera_id,
            Segment.client_id == client_id,
            Segment.chain_id.is_not(None),  # else no index has it
            Segment.sequence == 1,
        )
        async with self._sessions() as session:
            # The first of a handful, looked for here: the database would walk through time for it.
            return min(await session.scalars(query), default=None)

    async def proven(self, chain: Chain, before: int) -> int:
        """How many of the chain's segments below a number were stored, wherever in time they are."""
        query = select(func.count()).where(
            Segment.camera_id == self.camera_id,
            Segment.client_id == chain.client_id,
            Segment.chain_id == chain.chain_id,
            Segment.sequence < before,
            Segment.state.in_((SegmentState.STORED, SegmentState.DELETED)),
        )
        async with self._sessions() as session:
            return await session.scalar(query) or 0

    async def why_given_up(self, start: datetime, end: datetime) -> str | None:
        """What the recorder told of footage that it lost or deleted before it was proven, in that time."""
        slack = timedelta(seconds=1)
        query = select(Gap).where(
            Gap.camera_id == self.camera_id,
            Gap.started_at < end + slack,
            Gap.ended_at > start - slack,
            Gap.started_at > start - timedelta(days=2),
            Gap.cause.in_(_GIVEN_UP_AS),
        )
        async with self._sessions() as session:
            gap = await session.scalar(query.order_by(Gap.started_at).limit(1))
        return None if gap is None else f"{gap.cause}: {gap.detail}".rstrip(": ")

    async def with_bytes(self, size_bytes: int, crc32c: str, start: datetime, end: datetime) -> Segment | None:
        """A segment of about that time that has these bytes."""
        day = timedelta(days=1)
        query = select(Segment).where(
            Segment.camera_id == self.camera_id,
            Segment.started_at >= start - day,
            Segment.started_at < end + day,
            Segment.crc32c == crc32c,
            Segment.size_bytes == size_bytes,
        )
        async with self._sessions() as session:
            return await session.scalar(query.limit(1))

    async def deletions(self, segments: Sequence[Segment]) -> Sequence[Deletion]:
        """What the audit log has about the time when these were deleted."""
        period = told_of(segments)
        if period is None:
            return []
        then = Event.occurred_at.between(*period)
        async with self._sessions() as session:
            events = await self._events(session, FOOTAGE_DELETED, then)
        return [deletion for event in events if (deletion := Deletion.of(event)) is not None]

    async def again(self, segment: Segment | Row[Any]) -> Segment | None:
        """The row as it is now, or will be after a batch of retention that has it in hand."""
        key = (Segment.camera_id == self.camera_id, Segment.started_at == segment.started_at, Segment.id == segment.id)
        async with self._sessions.begin() as session:
            # Objects go before their rows are marked: longer than a batch waits for its store.
            await session.execute(text("SET LOCAL lock_timeout = '30s'"))
            return (await session.scalars(select(Segment).where(*key).with_for_update(read=True))).one_or_none()

    async def object_names(self, start: datetime, end: datetime) -> set[str]:
        """What the objects of a stretch, a day at most, are called."""
        query = select(Segment.object_name).where(
            Segment.camera_id == self.camera_id, Segment.started_at >= start, Segment.started_at < end
        )
        async with self._sessions() as session:
            return set(await session.scalars(query))


def link_of(segment: Segment) -> Link:
    """What the chain says of a segment, as its row has it now."""
    assert segment.chain_id is not None  # noqa: S101 - for mypy; only rows of chains are asked for
    return Link(
        chain_id=segment.chain_id,
        sequence=segment.sequence or 0,
        segment_id=segment.id,
        camera_id=segment.camera_id,
        recording_id=segment.recording_id,
        start=segment.started_at,
        end=segment.ended_at,
        size_bytes=segment.size_bytes,
        crc32c=segment.crc32c,
        sha256=segment.sha256,
        codec=segment.codec,
        packets=segment.packets,
        clock_error_seconds=segment.clock_error_seconds,
    )
