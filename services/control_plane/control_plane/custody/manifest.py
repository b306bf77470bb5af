"""What an export's manifest says: the segments, how they hang together, and what is missing."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from camfleet_contract.chains import moment
from control_plane.custody.numbers import Range, merged, runs, without
from control_plane.errors import Invalid, NotFound
from control_plane.fleet.visibility import at_sites
from control_plane.models import Camera, ChainHead, Client, Gap, Segment, SegmentState
from control_plane.recordings.moments import LONGEST_SEGMENT
from control_plane.security.principals import Principal

ChainKey = tuple[uuid.UUID, uuid.UUID | None]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exported, as the database has it."""

    camera: Camera
    store_url: str
    start: datetime
    end: datetime
    segments: Sequence[Segment]
    """Those that have footage of the interval, by time."""
    links: Mapping[tuple[uuid.UUID, uuid.UUID | None, int], str | None]
    """The link hash of each number of each chain, and of those that they follow."""
    elsewhere: Mapping[ChainKey, Sequence[Range]]
    """Numbers between them whose footage is of another time: by a clock that was wrong, or adopted later."""
    heads: Mapping[ChainKey, ChainHead]
    recorders: Mapping[uuid.UUID, str]
    gaps: Sequence[Gap]

    def has_file(self, segment: Segment) -> bool:
        """Whether its bytes go along."""
        return segment.state is SegmentState.STORED and segment.is_in(self.store_url)

    def chains(self) -> list[dict[str, object]]:
        """Of what is exported, each with its end as its recorder told it last."""
        keys = dict.fromkeys(
            (segment.client_id, segment.chain_id) for segment in self.segments if segment.chain_id is not None
        )
        return [self._chain(key) for key in keys]

    def entry(self, segment: Segment, file: str) -> dict[str, object]:
        """A segment's own."""
        has_file = self.has_file(segment)
        chain = (segment.client_id, segment.chain_id)
        return {
            "id": str(segment.id),
            "camera_id": str(segment.camera_id),
            "recorder_id": str(segment.client_id),
            "recording_id": str(segment.recording_id),
            "start": moment(segment.started_at),
            "end": moment(segment.ended_at),
            "clock_error_seconds": segment.clock_error_seconds,
            "codec": segment.codec,
            "packets": segment.packets,
            "size_bytes": segment.size_bytes,
            "crc32c": segment.crc32c,
            "sha256": segment.sha256,
            "previous_sha256": segment.previous_sha256,
            "chain_id": str(segment.chain_id) if segment.chain_id else None,
            "sequence": segment.sequence,
            "previous_link_sha256": self.links.get((*chain, (segment.sequence or 0) - 1)),
            "link_sha256": segment.link_sha256,
            "file": file if has_file else None,
            "why_no_file": None if has_file else self._why_no_file(segment),
        }

    def _chain(self, key: ChainKey) -> dict[str, object]:
        head = self.heads.get(key)
        return {
            "chain_id": str(key[1]),
            "recorder": {"id": str(key[0]), "name": self.recorders.get(key[0])},
            "elsewhere": self.elsewhere.get(key, []),
            "head": None
            if head is None
            else {
                "sequence": head.sequence,
                "segment_id": str(head.segment_id),
                "sha256": head.sha256,
                "link_sha256": head.link_sha256,
                "told_at": moment(head.seen_at),
            },
        }

    def _why_no_file(self, segment: Segment) -> str:
        if segment.state is SegmentState.DELETED:
            when = f" at {moment(segment.deleted_at)}" if segment.deleted_at else ""
            return f"deleted from the store{when}: {segment.deletion_reason or 'no reason given'}"
        if segment.state is SegmentState.STORED:
            return f"in another store, {segment.store_url}"
        return "not stored yet: it was still at the recorder"


async def read_subject(
    session: AsyncSession,
    store_url: str,
    camera_id: uuid.UUID,
    start: datetime,
    end: datetime,
    most: int,
    seen_by: Principal,
) -> Subject:
    """What the database knows. Raises NotFound; Invalid if that is nothing, or too much."""
    visible = (Camera.id == camera_id, at_sites(seen_by, Camera.site_id))
    camera = await session.scalar(select(Camera).options(joinedload(Camera.site)).where(*visible))
    if camera is None:
        raise NotFound(f"There is no camera {camera_id}.")
    within = (
        Segment.camera_id == camera_id,
        Segment.started_at > start - LONGEST_SEGMENT,
        Segment.started_at < end,
        Segment.ended_at > start,
    )
    by_time = select(Segment).where(*within).order_by(Segment.started_at, Segment.id)
    segments = (await session.scalars(by_time.limit(most + 1))).all()
    if not segments:
        raise Invalid("from", "there are no segments of this camera in the interval")
    if len(segments) > most:
        raise Invalid("until", f"the interval has more than {most} segments: export it in parts")
    links: dict[tuple[uuid.UUID, uuid.UUID | None, int], str | None] = {}
    elsewhere: dict[ChainKey, Sequence[Range]] = {}
    numbers: dict[tuple[uuid.UUID, uuid.UUID], set[int]] = defaultdict(set)
    for segment in segments:
        if segment.chain_id is not None and segment.sequence is not None:
            numbers[segment.client_id, segment.chain_id].add(segment.sequence)
            links[segment.client_id, segment.chain_id, segment.sequence] = segment.link_sha256
    for (client_id, chain_id), mine in numbers.items():
        # By the chain's index: a camera has half a million other segments a year.
        chain = (Segment.camera_id == camera_id, Segment.client_id == client_id, Segment.chain_id == chain_id)
        followed = {number - 1 for number in mine} - mine
        before = select(Segment.sequence, Segment.link_sha256).where(*chain, Segment.sequence.in_(followed))
        for number, link in await session.execute(before):
            links[client_id, chain_id, number or 0] = link
        if holes := without([(min(mine), max(mine))], runs(mine)):
            elsewhere[client_id, chain_id] = await _known(session, chain, holes)
    heads = await session.scalars(
        select(ChainHead)
        .where(
            ChainHead.camera_id == camera_id,
            tuple_(ChainHead.client_id, ChainHead.chain_id).in_(list(numbers)),
        )
        .order_by(ChainHead.sequence)
    )
    recorders = await session.execute(
        select(Client.id, Client.name).where(Client.id.in_({segment.client_id for segment in segments}))
    )
    gaps = await session.scalars(
        select(Gap)
        .where(
            Gap.camera_id == camera_id,
            Gap.started_at < end,
            Gap.ended_at > start,
            Gap.started_at > start - timedelta(days=2),
        )
        .order_by(Gap.started_at, Gap.id)
    )
    return Subject(
        camera,
        store_url,
        start,
        end,
        segments,
        links,
        elsewhere,
        {(head.client_id, head.chain_id): head for head in heads},
        {row.id: row.name for row in recorders},
        list(gaps),
    )


async def _known(
    session: AsyncSession, chain: Sequence[ColumnElement[bool]], holes: Sequence[Range]
) -> Sequence[Range]:
    """Which numbers of the holes have a row; counted together in the database, since they may be a year's."""
    between = Segment.sequence.between(holes[0][0], holes[-1][1])
    numbers = select(Segment.sequence).where(*chain, between).distinct().subquery()
    island = (numbers.c.sequence - func.row_number().over(order_by=numbers.c.sequence)).label("island")
    numbered = select(numbers.c.sequence, island).subquery()
    ends = select(func.min(numbered.c.sequence), func.max(numbered.c.sequence)).group_by(numbered.c.island)
    known = merged((first, last) for first, last in await session.execute(ends))
    return without(holes, without(holes, known))
