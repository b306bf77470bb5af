"""Chain heads: how far each recorder said that its chains had come, kept as the last of each day."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.chains import ChainHead

# One statement for all cameras of a heartbeat. Only of cameras that this client has recorded: nobody can put a head
# onto another's chain. What was told is never replaced by less, or by another link at the same place.
_KEEP = text("""
    INSERT INTO chain_heads AS known (
        camera_id, client_id, chain_id, day, sequence, segment_id, sha256, link_sha256, waiting_from, given_up, seen_at
    )
    SELECT DISTINCT ON (camera_id, chain_id)
           camera_id, :client_id, chain_id, CAST(:now AS timestamptz)::date, sequence, segment_id, sha256, link_sha256,
           waiting_from, given_up, :now
    FROM json_to_recordset(CAST(:heads AS json)) AS head (
        camera_id uuid, chain_id uuid, sequence bigint, segment_id uuid, sha256 text, link_sha256 text,
        waiting_from bigint, given_up bigint
    )
    WHERE EXISTS (
        SELECT 1 FROM recordings WHERE recordings.camera_id = head.camera_id AND recordings.client_id = :client_id
    )
    ORDER BY camera_id, chain_id, sequence DESC
    ON CONFLICT (camera_id, client_id, chain_id, day) DO UPDATE SET
        sequence = excluded.sequence, segment_id = excluded.segment_id, sha256 = excluded.sha256,
        link_sha256 = excluded.link_sha256, waiting_from = excluded.waiting_from, given_up = excluded.given_up,
        seen_at = excluded.seen_at
    WHERE excluded.sequence > known.sequence
       OR (excluded.link_sha256 = known.link_sha256
           AND (excluded.waiting_from, excluded.given_up) <> (known.waiting_from, known.given_up))
""")


async def keep_heads(session: AsyncSession, client_id: uuid.UUID, heads: Sequence[ChainHead], now: datetime) -> None:
    """Remember what a heartbeat says of the client's chains."""
    if heads:
        told = json.dumps([head.model_dump(mode="json") for head in heads])
        await session.execute(_KEEP, {"client_id": client_id, "heads": told, "now": now})
