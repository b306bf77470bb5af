"""Chain heads: how far each recorder said that its chains had come, kept as the last of each day."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.chains import ChainHead

# For all cameras of all that `told`, at `:now`. Only of cameras that the client has recorded: nobody can put a head
# onto another's chain. What was told is never replaced by less, or by another link at the same place.
_KEEP = """
    INSERT INTO chain_heads AS known (
        camera_id, client_id, chain_id, day, sequence, segment_id, sha256, link_sha256, waiting_from, given_up, seen_at
    )
    SELECT DISTINCT ON (camera_id, client_id, chain_id)
           camera_id, client_id, chain_id, CAST(:now AS timestamptz)::date, sequence, segment_id, sha256, link_sha256,
           waiting_from, given_up, CAST(:now AS timestamptz)
    FROM told CROSS JOIN json_to_recordset(CAST(told.heads AS json)) AS head (
        camera_id uuid, chain_id uuid, sequence bigint, segment_id uuid, sha256 text, link_sha256 text,
        waiting_from bigint, given_up bigint
    )
    WHERE EXISTS (
        SELECT 1 FROM recordings WHERE recordings.camera_id = head.camera_id AND recordings.client_id = told.client_id
    )
    ORDER BY camera_id, client_id, chain_id, sequence DESC
    ON CONFLICT (camera_id, client_id, chain_id, day) DO UPDATE SET
        sequence = excluded.sequence, segment_id = excluded.segment_id, sha256 = excluded.sha256,
        link_sha256 = excluded.link_sha256, waiting_from = excluded.waiting_from, given_up = excluded.given_up,
        seen_at = excluded.seen_at
    WHERE excluded.sequence > known.sequence
       OR (excluded.link_sha256 = known.link_sha256
           AND (excluded.waiting_from, excluded.given_up) <> (known.waiting_from, known.given_up))
"""

KEEP_OF_MANY = f"""
    told AS (
        SELECT caller.id AS client_id, told.heads
        FROM caller JOIN unnest($5::text[]) WITH ORDINALITY AS told (heads, place) USING (place)
    ), heads AS ({_KEEP.replace(":now", "$6")})
"""  # noqa: S608 - ours
"""Part of a statement: of all callers, with the heads of each as JSON in $5 (NULL for none), at $6."""
_KEEP_OF_ONE = text(f"WITH told AS (SELECT CAST(:client_id AS uuid) AS client_id, :heads AS heads) {_KEEP}")


async def keep_heads(session: AsyncSession, client_id: uuid.UUID, heads: Sequence[ChainHead], now: datetime) -> None:
    """Remember what one recorder says of its chains."""
    if heads:
        await session.execute(_KEEP_OF_ONE, {"client_id": client_id, "heads": heads_json(heads), "now": now})


def heads_json(heads: Sequence[ChainHead]) -> str:
    """The heads as the statements want them."""
    return json.dumps([head.model_dump(mode="json") for head in heads])
