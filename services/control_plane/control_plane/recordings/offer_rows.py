"""The rows behind a batch of offers: one statement for each kind of row, however many offers there are."""

import base64
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from camfleet_contract.segments import SegmentOffer
from control_plane.models import ClientCamera, Recording, SegmentState, UploadSession
from control_plane.recordings.offer_outcomes import Key, Outcome, key_of, name_of
from control_plane.security.secrets import SecretBox

# Batches travel as one JSON parameter: the statement's text stays the same, so that its plan and its compiled form are
# reused, whether it is for one row or for 500.
_READ_SEGMENTS = text("""
    SELECT segment.camera_id, segment.started_at, segment.id, segment.recording_id, segment.size_bytes,
           segment.crc32c, segment.sha256, segment.state <> 'offered' AS is_stored
    FROM json_to_recordset(CAST(:keys AS json)) AS key (camera_id uuid, started_at timestamptz, id uuid)
    JOIN segments AS segment USING (camera_id, started_at, id)
    WHERE segment.started_at BETWEEN :earliest AND :latest
""")

# Only a row that says the same is touched; what comes back are those, so that the others are known as conflicts.
# In the key's order: two batches with the same segments wait for each other instead of locking each other out.
# A held recording has one more object that the store is to hold: noted with it, so that nobody has to look for those.
_WRITE_SEGMENTS = text("""
  WITH written AS (
    INSERT INTO segments AS known (
        camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c, sha256,
        previous_sha256, codec, packets, clock_error_seconds, object_name, generation, stored_at, chain_id, sequence,
        link_sha256, store_url
    )
    SELECT camera_id, started_at, id, ended_at, CAST(:client_id AS uuid), recording_id, state, size_bytes, crc32c,
           sha256, previous_sha256, codec, packets, clock_error_seconds, object_name, generation, stored_at, chain_id,
           sequence, link_sha256, store_url
    FROM json_to_recordset(CAST(:rows AS json)) AS row (
        camera_id uuid, started_at timestamptz, id uuid, ended_at timestamptz, recording_id uuid, state text,
        size_bytes bigint, crc32c text, sha256 text, previous_sha256 text, codec text, packets bigint,
        clock_error_seconds float8, object_name text, generation bigint, stored_at timestamptz,
        chain_id uuid, sequence bigint, link_sha256 text, store_url text
    )
    ORDER BY camera_id, started_at, id
    ON CONFLICT (camera_id, started_at, id) DO UPDATE SET
        state = CASE WHEN known.state = 'offered' THEN excluded.state ELSE known.state END,
        store_url = CASE WHEN known.state = 'offered' THEN excluded.store_url ELSE known.store_url END,
        generation = coalesce(known.generation, excluded.generation),
        stored_at = coalesce(known.stored_at, excluded.stored_at)
    WHERE (known.client_id, known.recording_id, known.size_bytes, known.crc32c, known.sha256)
        = (excluded.client_id, excluded.recording_id, excluded.size_bytes, excluded.crc32c, excluded.sha256)
    RETURNING camera_id, started_at, id, recording_id, state
  ), unsettled AS (
    UPDATE recordings SET holds_unsettled_at = now()
    WHERE client_id = CAST(:client_id AS uuid) AND held_at IS NOT NULL
      AND id IN (SELECT recording_id FROM written WHERE state = 'stored')
  )
  SELECT camera_id, started_at, id FROM written
""")

_WRITE_UPLOADS = text("""
    INSERT INTO upload_sessions (client_id, segment_id, uri_encrypted, expires_at)
    SELECT DISTINCT ON (segment_id) :client_id, segment_id, decode(uri_encrypted, 'base64'), expires_at
    FROM json_to_recordset(CAST(:rows AS json)) AS row (segment_id uuid, uri_encrypted text, expires_at timestamptz)
    ORDER BY segment_id
    ON CONFLICT (client_id, segment_id) DO UPDATE
    SET uri_encrypted = excluded.uri_encrypted, expires_at = excluded.expires_at
""")


@dataclass(frozen=True, slots=True)
class KnownSegment:
    """A segment's row, as far as a repeated offer is compared with it."""

    recording_id: uuid.UUID
    size_bytes: int
    crc32c: str
    sha256: str
    is_stored: bool
    """Also of what was deleted since: its copy was proven, and the recorder may let go of its own."""

    def is_offered_as(self, offer: SegmentOffer) -> bool:
        """Whether the offer is of this very segment."""
        return (self.recording_id, self.size_bytes, self.crc32c, self.sha256) == (
            offer.recording_id,
            offer.size_bytes,
            offer.crc32c,
            offer.sha256,
        )


@dataclass(frozen=True, slots=True)
class KnownUpload:
    """An upload session that was opened earlier."""

    uri_encrypted: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows of a batch's subjects."""

    cameras_of_recordings: Mapping[uuid.UUID, uuid.UUID]
    """Of this client's recordings."""
    assigned_cameras: frozenset[uuid.UUID]
    """Only read where a recording is unknown."""
    segments: Mapping[Key, KnownSegment]
    uploads: Mapping[uuid.UUID, KnownUpload]
    """By segment, for what is offered without being uploaded."""


async def read_known(session: AsyncSession, client_id: uuid.UUID, offers: Sequence[SegmentOffer]) -> Known:
    """What is known of the offers' recordings, cameras, segments and uploads."""
    recordings = await _read_recordings(session, client_id, {offer.recording_id for offer in offers})
    strange = {offer.camera_id for offer in offers if offer.recording_id not in recordings}
    not_uploaded = {offer.id for offer in offers if offer.object_name is None}
    return Known(
        recordings,
        await _read_assigned(session, client_id, strange) if strange else frozenset(),
        await _read_segments(session, offers) if offers else {},
        await _read_uploads(session, client_id, not_uploaded) if not_uploaded else {},
    )


async def write_outcomes(
    session: AsyncSession,
    secrets: SecretBox,
    store_url: str,
    client_id: uuid.UUID,
    outcomes: Sequence[Outcome],
    known: Known,
    now: datetime,
) -> set[Key]:
    """Write what is new, and return the keys that meanwhile became another segment's."""
    news = [
        outcome
        for outcome in outcomes
        if outcome.seen or (outcome.is_of_a_segment and key_of(outcome.offer) not in known.segments)
    ]
    written: set[Key] = set()
    if news:
        rows = json.dumps([_segment_row(outcome, store_url, now) for outcome in news])
        found = await session.execute(_WRITE_SEGMENTS, {"client_id": client_id, "rows": rows})
        written = {(row.camera_id, row.started_at, row.id) for row in found}
    if opened := [_upload_row(outcome, secrets) for outcome in outcomes if outcome.opened]:
        await session.execute(_WRITE_UPLOADS, {"client_id": client_id, "rows": json.dumps(opened)})
    if done := {outcome.offer.id for outcome in outcomes if outcome.seen}:
        await session.execute(
            delete(UploadSession).where(UploadSession.client_id == client_id, UploadSession.segment_id.in_(done))
        )
    return {key_of(outcome.offer) for outcome in news} - written


async def delete_expired_uploads(connection: AsyncConnection, now: datetime) -> None:
    """Forget the upload sessions that nobody can use any more; those of stored segments are gone already."""
    await connection.execute(delete(UploadSession).where(UploadSession.expires_at < now))


async def _read_recordings(
    session: AsyncSession, client_id: uuid.UUID, ids: set[uuid.UUID]
) -> dict[uuid.UUID, uuid.UUID]:
    query = select(Recording.id, Recording.camera_id).where(Recording.client_id == client_id, Recording.id.in_(ids))
    return {row.id: row.camera_id for row in await session.execute(query)}


async def _read_assigned(session: AsyncSession, client_id: uuid.UUID, ids: set[uuid.UUID]) -> frozenset[uuid.UUID]:
    query = select(ClientCamera.camera_id).where(ClientCamera.client_id == client_id, ClientCamera.camera_id.in_(ids))
    return frozenset(await session.scalars(query))


async def _read_segments(session: AsyncSession, offers: Sequence[SegmentOffer]) -> dict[Key, KnownSegment]:
    keys = [
        {"camera_id": str(offer.camera_id), "started_at": offer.start.isoformat(), "id": str(offer.id)}
        for offer in offers
    ]
    starts = [offer.start for offer in offers]
    # The bounds leave all partitions of other months alone.
    found = await session.execute(
        _READ_SEGMENTS, {"keys": json.dumps(keys), "earliest": min(starts), "latest": max(starts)}
    )
    return {
        (row.camera_id, row.started_at, row.id): KnownSegment(
            row.recording_id, row.size_bytes, row.crc32c, row.sha256, row.is_stored
        )
        for row in found
    }


async def _read_uploads(
    session: AsyncSession, client_id: uuid.UUID, segment_ids: set[uuid.UUID]
) -> dict[uuid.UUID, KnownUpload]:
    query = select(UploadSession.segment_id, UploadSession.uri_encrypted, UploadSession.expires_at).where(
        UploadSession.client_id == client_id, UploadSession.segment_id.in_(segment_ids)
    )
    return {row.segment_id: KnownUpload(row.uri_encrypted, row.expires_at) for row in await session.execute(query)}


def _segment_row(outcome: Outcome, store_url: str, now: datetime) -> dict[str, Any]:
    offer, seen = outcome.offer, outcome.seen
    return {
        "camera_id": str(offer.camera_id),
        "started_at": offer.start.isoformat(),
        "id": str(offer.id),
        "ended_at": offer.end.isoformat(),
        "recording_id": str(offer.recording_id),
        "state": SegmentState.STORED if seen else SegmentState.OFFERED,
        "size_bytes": offer.size_bytes,
        "crc32c": offer.crc32c,
        "sha256": offer.sha256,
        "previous_sha256": offer.previous_sha256,
        "codec": offer.codec,
        "packets": offer.packets,
        "clock_error_seconds": offer.clock_error_seconds,
        "object_name": name_of(offer),
        "generation": seen.generation if seen else None,
        "stored_at": now.isoformat() if seen else None,
        "chain_id": str(offer.chain_id) if offer.chain_id else None,
        "sequence": offer.sequence,
        "link_sha256": offer.link_sha256,
        "store_url": store_url if seen else "",
    }


def _upload_row(outcome: Outcome, secrets: SecretBox) -> dict[str, str]:
    assert outcome.opened is not None  # noqa: S101 - for mypy; the caller selected these
    return {
        "segment_id": str(outcome.offer.id),
        "uri_encrypted": base64.b64encode(secrets.encrypt(outcome.opened.uri)).decode(),
        "expires_at": outcome.opened.expires_at.isoformat(),
    }
