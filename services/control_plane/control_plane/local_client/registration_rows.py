"""Recordings registered in groups: those that are plainly new, or plainly repeated by a predecessor client.

All else is left to `recordings.registration.register`, which says what is wrong.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from control_plane.direct import Direct
from control_plane.groups import Groups
from control_plane.local_client.identities import CALLERS, CONTACTS
from control_plane.recordings.registration import REPEAT_WITHIN, Registration
from control_plane.recordings.states import INTERRUPTED, INTERRUPTED_MESSAGE

# The same lock as `register` takes. Where somebody else has it, that request is left to whoever waits for it alone.
_TAKE_TURNS = f"""
    WITH {CALLERS}, {CONTACTS}
    SELECT caller.place, caller.id, pg_try_advisory_xact_lock(CAST(CAST(
        'x' || encode(substr(sha256(convert_to('register', 'UTF8') || coalesce(
            uuid_send(asked.own_id), uuid_send(caller.id) || uuid_send(asked.camera_id)
        )), 1, 8), 'hex') AS bit(64)) AS bigint)) AS is_our_turn
    FROM caller JOIN unnest($3::uuid[], $4::uuid[]) WITH ORDINALITY AS asked (own_id, camera_id, place) USING (place)
"""  # noqa: S608 - ours

# A statement of its own: it sees what was committed before the locks were taken.
_REGISTER = """
    WITH asked AS (
        SELECT asked.*, camera.name AS camera_name, schedule.id AS known_schedule_id
        FROM unnest(
            $1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[]
        ) AS asked (place, client_id, camera_id, schedule_id, own_id, new_id, name, started_at)
        JOIN client_cameras AS assigned
          ON assigned.client_id = asked.client_id AND assigned.camera_id = asked.camera_id
        JOIN cameras AS camera
          ON camera.id = asked.camera_id AND camera.is_active AND camera.recording_mode = 'local_client'
        LEFT JOIN schedules AS schedule
          ON schedule.id = asked.schedule_id AND schedule.camera_id = asked.camera_id
        WHERE NOT EXISTS (SELECT FROM recordings AS known WHERE known.id = asked.own_id)
    ), repeated AS (
        SELECT DISTINCT ON (asked.place) asked.place, known.id
        FROM asked JOIN recordings AS known
          ON known.client_id = asked.client_id AND known.camera_id = asked.camera_id
         -- By the index of what is open: `status = 'scheduled'` alone would read what is scheduled anywhere.
         AND known.status IN ('scheduled', 'recording') AND known.status || '' = 'scheduled'
         AND known.schedule_id IS NOT DISTINCT FROM asked.known_schedule_id
         AND known.name = coalesce(asked.name, asked.camera_name) AND known.created_at > $9::timestamptz - $10::interval
        WHERE asked.own_id IS NULL
        ORDER BY asked.place, known.created_at DESC
    ), fresh AS (
        SELECT * FROM asked WHERE NOT EXISTS (SELECT FROM repeated WHERE repeated.place = asked.place)
    ), interrupted AS (
        UPDATE recordings AS known SET
            status = 'failed', ended_at = greatest($9, known.started_at), error_code = $11, error_message = $12,
            updated_at = now()
        FROM fresh
        WHERE fresh.own_id IS NULL AND known.client_id = fresh.client_id AND known.camera_id = fresh.camera_id
          AND known.status IN ('scheduled', 'recording')
    ), inserted AS (
        INSERT INTO recordings (id, client_id, camera_id, schedule_id, name, status, started_at)
        SELECT coalesce(own_id, new_id), client_id, camera_id, known_schedule_id, coalesce(name, camera_name),
               'scheduled', coalesce(started_at, $9)
        FROM fresh
    )
    SELECT place, id FROM repeated UNION ALL SELECT place, coalesce(own_id, new_id) FROM fresh
"""


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of one request."""

    client_id: uuid.UUID
    recording_id: uuid.UUID | None
    """None if it is left to `register`."""


@dataclass(frozen=True, slots=True)
class _Asked:
    token_sha256: bytes = field(repr=False)
    address: str | None
    registration: Registration


class Registrations:
    """Registers recordings, many at a time."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        self._groups: Groups[_Asked, Registered | None] = Groups(self._register, key=_subject)

    async def register(self, token_sha256: bytes, address: str | None, registration: Registration) -> Registered | None:
        """Register one that was checked, and note the sign of life. None if the token is no good."""
        return await self._groups.ask(_Asked(token_sha256, address, registration))

    async def _register(self, group: Sequence[_Asked]) -> list[Registered | None]:
        asked = [one.registration for one in group]
        registered: list[Registered | None] = [None] * len(group)
        async with self._direct.transaction() as connection:
            turns = await connection.fetch(
                _TAKE_TURNS,
                [one.token_sha256 for one in group],
                [one.address for one in group],
                [one.recording_id for one in asked],
                [one.camera_id for one in asked],
            )
            ours: dict[object, int] = {}
            for turn in turns:
                place, client_id = turn["place"] - 1, turn["id"]
                registered[place] = Registered(client_id, None)
                if turn["is_our_turn"]:
                    # One of a kind, also when a client that has two tokens asks with both.
                    ours.setdefault(asked[place].recording_id or (client_id, asked[place].camera_id), place)
            clients = {turn["place"] - 1: turn["id"] for turn in turns}
            places = list(ours.values())
            rows = await connection.fetch(
                _REGISTER,
                places,
                [clients[place] for place in places],
                [asked[place].camera_id for place in places],
                [asked[place].schedule_id for place in places],
                [asked[place].recording_id for place in places],
                [uuid7() for _ in places],
                [asked[place].name for place in places],
                [asked[place].started_at for place in places],
                datetime.now(UTC),
                REPEAT_WITHIN,
                INTERRUPTED,
                INTERRUPTED_MESSAGE,
            )
        for row in rows:
            registered[row["place"]] = Registered(clients[row["place"]], row["id"])
        return registered


def _subject(asked: _Asked) -> object:
    """Whatever has the same waits for the one before it, as on several replicas by the lock."""
    return asked.registration.recording_id or (asked.token_sha256, asked.registration.camera_id)
