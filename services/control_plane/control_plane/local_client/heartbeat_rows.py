"""Heartbeats written in groups: one statement tells who calls and keeps what all of them say."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from camfleet_contract.heartbeats import Heartbeat
from control_plane.direct import Direct
from control_plane.groups import Groups
from control_plane.local_client.identities import CALLERS, Written, written_by_place
from control_plane.recordings.chain_heads import KEEP_OF_MANY, heads_json

# Of two heartbeats of one client, which has two tokens during a rotation, the later one counts. A row that somebody
# else holds just now is left to whoever asks again, so that nobody else in the group waits for it.
_KEEP = f"""
    WITH {CALLERS}, said AS (
        SELECT DISTINCT ON (caller.id) caller.id, caller.address, said.active_recordings, said.heartbeat
        FROM caller
        JOIN unnest($3::int[], $4::text[]) WITH ORDINALITY AS said (active_recordings, heartbeat, place) USING (place)
        ORDER BY caller.id, caller.place DESC
    ), free AS (
        SELECT known.client_id FROM said JOIN client_contacts AS known ON known.client_id = said.id
        FOR NO KEY UPDATE OF known SKIP LOCKED
    ), renewed AS (
        UPDATE client_contacts AS known SET
            last_contact_at = now(), last_heartbeat_at = now(), address = said.address,
            active_recordings = said.active_recordings, heartbeat = CAST(said.heartbeat AS jsonb)
        FROM said JOIN free ON free.client_id = said.id
        WHERE known.client_id = said.id
        RETURNING known.client_id
    ), first AS (
        INSERT INTO client_contacts (
            client_id, last_contact_at, last_heartbeat_at, address, active_recordings, heartbeat
        )
        SELECT id, now(), now(), address, active_recordings, CAST(heartbeat AS jsonb) FROM said
        WHERE NOT EXISTS (SELECT FROM client_contacts AS known WHERE known.client_id = said.id)
        ORDER BY id
        ON CONFLICT (client_id) DO NOTHING
        RETURNING client_id
    ), kept AS (
        SELECT client_id FROM renewed UNION ALL SELECT client_id FROM first
    )
"""  # noqa: S608 - ours
_TOLD = """
    SELECT caller.place, caller.id, kept.client_id IS NOT NULL AS is_written
    FROM caller LEFT JOIN kept ON kept.client_id = caller.id
"""
_KEEP_ALONE = _KEEP + _TOLD
_KEEP_WITH_HEADS = f"{_KEEP}, {KEEP_OF_MANY} {_TOLD}"


@dataclass(frozen=True, slots=True)
class _Said:
    token_sha256: bytes = field(repr=False)
    address: str | None
    report: Heartbeat


class Heartbeats:
    """Keeps heartbeats, many at a time."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._groups: Groups[_Said, Written | None] = Groups(self._keep, at_once=2)

    async def keep(self, token_sha256: bytes, address: str | None, report: Heartbeat) -> Written | None:
        """Keep one, with its chain heads and as a sign of life. None if the token is good no more, or never was."""
        return await self._groups.ask(_Said(token_sha256, address, report))

    async def _keep(self, group: Sequence[_Said]) -> list[Written | None]:
        arguments: list[object] = [
            [said.token_sha256 for said in group],
            [said.address for said in group],
            [said.report.active_recordings for said in group],
            [content_of(said.report) for said in group],
        ]
        statement = _KEEP_ALONE
        if any(said.report.chain_heads for said in group):
            statement = _KEEP_WITH_HEADS
            heads = [heads_json(said.report.chain_heads) if said.report.chain_heads else None for said in group]
            arguments += [heads, datetime.now(UTC)]
        return written_by_place(await self._direct.fetch(statement, *arguments), len(group))


def content_of(report: Heartbeat) -> str:
    """What is kept of a heartbeat, as JSON."""
    return report.model_dump_json(exclude_none=True, exclude={"client_id", "chain_heads"})
