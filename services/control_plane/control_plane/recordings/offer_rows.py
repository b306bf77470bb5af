"""The rows behind batches of offers: one statement reads for many batches at once, another writes."""

import base64
import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from camfleet_contract.segments import SegmentOffer
from control_plane.direct import Direct
from control_plane.groups import Groups
from control_plane.models import SegmentState, UploadSession
from control_plane.recordings.offer_outcomes import Key, Outcome, key_of, name_of
from control_plane.security.secrets import SecretBox

# Batches of up to 500 offers: more of them at once would be one very large statement.
_BATCHES_AT_ONCE = 16

# Offers travel as one JSON parameter: the statement's text stays the same, so that its plan is reused, whether it is
# for one row or for 500. The bounds leave all partitions of other months alone.
_READ = """
    WITH asked AS (
        SELECT * FROM json_to_recordset($1::json) AS asked (
            client_id uuid, recording_id uuid, camera_id uuid, started_at timestamptz, id uuid
        )
    )
    SELECT DISTINCT 'recording' AS kind, recording.client_id, recording.id, recording.camera_id,
           NULL::timestamptz AS moment, NULL::uuid AS recording_id, NULL::bigint AS size_bytes, NULL AS crc32c,
           NULL AS sha256, NULL::boolean AS is_stored, NULL::bytea AS uri_encrypted
    FROM asked JOIN recordings AS recording
      ON recording.client_id = asked.client_id AND recording.id = asked.recording_id
    UNION ALL
    SELECT DISTINCT 'assigned', assigned.client_id, NULL::uuid, assigned.camera_id, NULL::timestamptz, NULL::uuid,
           NULL::bigint, NULL, NULL, NULL::boolean, NULL::bytea
    FROM asked JOIN client_cameras AS assigned
      ON assigned.client_id = asked.client_id AND assigned.camera_id = asked.camera_id
    UNION ALL
    SELECT 'segment', NULL::uuid, segment.id, segment.camera_id, segment.started_at, segment.recording_id,
           segment.size_bytes, segment.crc32c, segment.sha256, segment.state <> 'offered', NULL::bytea
    FROM asked JOIN segments AS segment USING (camera_id, started_at, id)
    WHERE segment.started_at BETWEEN $2 AND $3
    UNION ALL
    SELECT 'upload', upload.client_id, upload.segment_id, NULL::uuid, upload.expires_at, NULL::uuid, NULL::bigint, NULL,
           NULL, NULL::boolean, upload.uri_encrypted
    FROM asked JOIN upload_sessions AS upload
      ON upload.client_id = asked.client_id AND upload.segment_id = asked.id
"""

# Only a row that says the same is touched; what comes back are those, so that the others are known as conflicts.
# In the key's order: two batches with the same segments wait for each other instead of locking each other out.
# A held recording has one more object that the store is to hold: noted with it, so that nobody has to look for those.
_WRITE = """
    WITH row AS (
        SELECT * FROM json_to_recordset($1::json) AS row (
            camera_id uuid, started_at timestamptz, id uuid, ended_at timestamptz, client_id uuid, recording_id uuid,
            state text, size_bytes bigint, crc32c text, sha256 text, previous_sha256 text, codec text, packets bigint,
            clock_error_seconds float8, object_name text, generation bigint, stored_at timestamptz, chain_id uuid,
            sequence bigint, link_sha256 text, store_url text
        )
    ), written AS (
        INSERT INTO segments AS known (
            camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c, sha256,
            previous_sha256, codec, packets, clock_error_seconds, object_name, generation, stored_at, chain_id,
            sequence, link_sha256, store_url
        )
        SELECT * FROM row ORDER BY camera_id, started_at, id
        ON CONFLICT (camera_id, started_at, id) DO UPDATE SET
            state = CASE WHEN known.state = 'offered' THEN excluded.state ELSE known.state END,
            store_url = CASE WHEN known.state = 'offered' THEN excluded.store_url ELSE known.store_url END,
            generation = coalesce(known.generation, excluded.generation),
            stored_at = coalesce(known.stored_at, excluded.stored_at)
        WHERE (known.client_id, known.recording_id, known.size_bytes, known.crc32c, known.sha256)
            = (excluded.client_id, excluded.recording_id, excluded.size_bytes, excluded.crc32c, excluded.sha256)
        RETURNING camera_id, started_at, id, client_id, recording_id, state
    ), unsettled AS (
        UPDATE recordings SET holds_unsettled_at = now()
        WHERE held_at IS NOT NULL
          AND (client_id, id) IN (SELECT client_id, recording_id FROM written WHERE state = 'stored')
    ), opened AS (
        INSERT INTO upload_sessions (client_id, segment_id, uri_encrypted, expires_at)
        SELECT DISTINCT ON (client_id, segment_id) client_id, segment_id, decode(uri_encrypted, 'base64'), expires_at
        FROM json_to_recordset($2::json) AS upload (
            client_id uuid, segment_id uuid, uri_encrypted text, expires_at timestamptz
        )
        ORDER BY client_id, segment_id
        ON CONFLICT (client_id, segment_id) DO UPDATE
        SET uri_encrypted = excluded.uri_encrypted, expires_at = excluded.expires_at
    ), done AS (
        DELETE FROM upload_sessions AS upload USING row
        WHERE row.state = 'stored' AND upload.client_id = row.client_id AND upload.segment_id = row.id
    )
    SELECT camera_id, started_at, id FROM written
"""


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
    """To this client, of the cameras that are offered from."""
    segments: Mapping[Key, KnownSegment]
    uploads: Mapping[uuid.UUID, KnownUpload]
    """By segment, for what is offered without being uploaded."""


@dataclass(frozen=True, slots=True)
class _Question:
    client_id: uuid.UUID
    offers: Sequence[SegmentOffer]


@dataclass(frozen=True, slots=True)
class _News:
    rows: Mapping[Key, dict[str, Any]]
    uploads: Sequence[dict[str, str]]


class OfferRows:
    """Reads and writes for many batches at a time."""

    def __init__(self, direct: Direct, secrets: SecretBox) -> None:
        self._direct = direct
        self._secrets = secrets
        self._questions: Groups[_Question, Known] = Groups(self._read, most=_BATCHES_AT_ONCE)
        self._news: Groups[_News, set[Key]] = Groups(self._write, most=_BATCHES_AT_ONCE)

    async def read_known(self, client_id: uuid.UUID, offers: Sequence[SegmentOffer]) -> Known:
        """What is known of the offers' recordings, cameras, segments and uploads."""
        if not offers:
            return Known({}, frozenset(), {}, {})
        return await self._questions.ask(_Question(client_id, offers))

    async def write_outcomes(
        self, store_url: str, client_id: uuid.UUID, outcomes: Sequence[Outcome], known: Known, now: datetime
    ) -> set[Key]:
        """Write what is new, and return the keys that meanwhile became another segment's. Committed when it returns."""
        news = [
            outcome
            for outcome in outcomes
            if outcome.seen or (outcome.is_of_a_segment and key_of(outcome.offer) not in known.segments)
        ]
        rows = {key_of(outcome.offer): _segment_row(outcome, store_url, client_id, now) for outcome in news}
        uploads = [_upload_row(outcome, client_id, self._secrets) for outcome in outcomes if outcome.opened]
        if not rows and not uploads:
            return set()
        return rows.keys() - await self._news.ask(_News(rows, uploads))

    async def _read(self, group: Sequence[_Question]) -> list[Known]:
        asked = [
            {
                "client_id": str(question.client_id),
                "recording_id": str(offer.recording_id),
                "camera_id": str(offer.camera_id),
                "started_at": offer.start.isoformat(),
                "id": str(offer.id),
            }
            for question in group
            for offer in question.offers
        ]
        starts = [offer.start for question in group for offer in question.offers]
        found = await self._direct.fetch(_READ, json.dumps(asked), min(starts), max(starts))
        recordings: dict[uuid.UUID, dict[uuid.UUID, uuid.UUID]] = defaultdict(dict)
        assigned: dict[uuid.UUID, set[uuid.UUID]] = defaultdict(set)
        segments: dict[Key, KnownSegment] = {}
        uploads: dict[uuid.UUID, dict[uuid.UUID, KnownUpload]] = defaultdict(dict)
        for row in found:
            match row["kind"]:
                case "recording":
                    recordings[row["client_id"]][row["id"]] = row["camera_id"]
                case "assigned":
                    assigned[row["client_id"]].add(row["camera_id"])
                case "segment":
                    segments[row["camera_id"], row["moment"], row["id"]] = KnownSegment(
                        row["recording_id"], row["size_bytes"], row["crc32c"], row["sha256"], row["is_stored"]
                    )
                case "upload":
                    uploads[row["client_id"]][row["id"]] = KnownUpload(row["uri_encrypted"], row["moment"])
        return [
            Known(
                recordings[question.client_id],
                frozenset(assigned[question.client_id]),
                segments,
                uploads[question.client_id],
            )
            for question in group
        ]

    async def _write(self, group: Sequence[_News]) -> list[set[Key]]:
        written: list[set[Key]] = []
        for together in _without_the_same_twice(group):
            rows = [row for news in together for row in news.rows.values()]
            uploads = [upload for news in together for upload in news.uploads]
            found = await self._direct.fetch(_WRITE, json.dumps(rows), json.dumps(uploads))
            keys = {(row["camera_id"], row["started_at"], row["id"]) for row in found}
            written += [keys & news.rows.keys() for news in together]
        return written


async def delete_expired_uploads(connection: AsyncConnection, now: datetime) -> None:
    """Forget the upload sessions that nobody can use any more; those of stored segments are gone already."""
    await connection.execute(delete(UploadSession).where(UploadSession.expires_at < now))


def _without_the_same_twice(group: Iterable[_News]) -> list[list[_News]]:
    """In their order, cut wherever a statement would write a row twice: a batch that is sent again at once."""
    parts: list[list[_News]] = [[]]
    seen: set[Key] = set()
    for news in group:
        if seen & news.rows.keys():
            parts.append([])
            seen = set()
        parts[-1].append(news)
        seen |= news.rows.keys()
    return parts


def _segment_row(outcome: Outcome, store_url: str, client_id: uuid.UUID, now: datetime) -> dict[str, Any]:
    offer, seen = outcome.offer, outcome.seen
    return {
        "camera_id": str(offer.camera_id),
        "started_at": offer.start.isoformat(),
        "id": str(offer.id),
        "ended_at": offer.end.isoformat(),
        "client_id": str(client_id),
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


def _upload_row(outcome: Outcome, client_id: uuid.UUID, secrets: SecretBox) -> dict[str, str]:
    assert outcome.opened is not None  # noqa: S101 - for mypy; the caller selected these
    return {
        "client_id": str(client_id),
        "segment_id": str(outcome.offer.id),
        "uri_encrypted": base64.b64encode(secrets.encrypt(outcome.opened.uri)).decode(),
        "expires_at": outcome.opened.expires_at.isoformat(),
    }
