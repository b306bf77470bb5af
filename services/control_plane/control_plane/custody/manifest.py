"""What an export's manifest says: the segments, how they hang together, and what is missing."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from camfleet_contract.chains import moment
from control_plane.errors import Invalid, NotFound
from control_plane.fleet.visibility import at_sites
from control_plane.models import Camera, ChainHead, Client, Gap, Segment, SegmentState
from control_plane.security.principals import Principal

_LONGEST_SEGMENT = timedelta(days=1)
ChainKey = tuple[uuid.UUID, uuid.UUID | None]


@dataclass(frozen=True, slots=True)
class Subject:
    """What is exported, as the database has it."""

    camera: Camera
    store_url: str
    start: datetime
    end: datetime
    segments: Sequence[Segment]
    """By time; with those that lie between them in their chain only."""
    links: Mapping[tuple[uuid.UUID, uuid.UUID | None, int], str | None]
    """The link hash of each number of each chain, and of the one before the first."""
    heads: Mapping[ChainKey, ChainHead]
    recorders: Mapping[uuid.UUID, str]
    gaps: Sequence[Gap]

    def is_within(self, segment: Segment) -> bool:
        """Whether it has footage of the interval."""
        return segment.started_at < self.end and segment.ended_at > self.start

    def has_file(self, segment: Segment) -> bool:
        """Whether its bytes go along."""
        return segment.state is SegmentState.STORED and self.is_within(segment) and segment.is_in(self.store_url)

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
        if not self.is_within(segment):
            return "outside of the interval; here as a link of the chain only"
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
    ours = Segment.camera_id == camera_id
    within = (
        ours,
        Segment.started_at > start - _LONGEST_SEGMENT,
        Segment.started_at < end,
        Segment.ended_at > start,
    )
    key = (Segment.client_id, Segment.chain_id)
    spans = (
        await session.execute(
            select(*key, func.min(Segment.sequence), func.max(Segment.sequence), func.count())
            .where(*within)
            .group_by(*key)
        )
    ).all()
    if not sum(row[4] for row in spans):
        raise Invalid("from", "there are no segments of this camera in the interval")
    found: dict[uuid.UUID, Segment] = {}
    links: dict[tuple[uuid.UUID, uuid.UUID | None, int], str | None] = {}
    for client_id, chain_id, low, high, _ in spans:
        # By the chain's index: a camera has half a million other segments a year.
        mine = (ours, Segment.client_id == client_id)
        which: tuple[ColumnElement[bool], ...] = (*within, Segment.chain_id.is_(None))
        if chain_id is not None and low is not None and high is not None:
            which = (Segment.chain_id == chain_id, Segment.sequence >= low - 1, Segment.sequence <= high)
        for segment in await session.scalars(select(Segment).where(*mine, *which).limit(most + 2 - len(found))):
            if low is None or (segment.sequence or 0) >= low:
                found[segment.id] = segment
            if segment.sequence is not None:
                links[client_id, chain_id, segment.sequence] = segment.link_sha256
    if len(found) > most:
        raise Invalid("until", f"the interval has more than {most} segments: export it in parts")
    heads = await session.scalars(
        select(ChainHead)
        .where(
            ChainHead.camera_id == camera_id,
            tuple_(ChainHead.client_id, ChainHead.chain_id).in_([(row[0], row[1]) for row in spans if row[1]]),
        )
        .order_by(ChainHead.sequence)
    )
    recorders = await session.execute(select(Client.id, Client.name).where(Client.id.in_({row[0] for row in spans})))
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
        sorted(found.values(), key=lambda segment: (segment.started_at, segment.id)),
        links,
        {(head.client_id, head.chain_id): head for head in heads},
        {row.id: row.name for row in recorders},
        list(gaps),
    )
