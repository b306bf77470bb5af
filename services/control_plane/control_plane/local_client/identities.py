"""Whose a token is: looked up for many callers in one statement, which notes their signs of life as well."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from control_plane.direct import Direct, Record
from control_plane.errors import Unauthorized
from control_plane.groups import Groups
from control_plane.local_client.config_changes import ConfigChanges
from control_plane.security.tokens import token_sha256

_LONGEST_TOKEN = 512
UNKNOWN_TOKEN = "this token is unknown, revoked or expired"  # noqa: S105 - none

CALLERS = """
    asked AS (
        SELECT token_sha256, address, place
        FROM unnest($1::bytea[], $2::text[]) WITH ORDINALITY AS asked (token_sha256, address, place)
    ), caller AS (
        SELECT asked.place, asked.address, client.id
        FROM asked
        JOIN client_tokens AS token USING (token_sha256)
        JOIN clients AS client ON client.id = token.client_id
        WHERE client.is_active AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > now())
    )
"""
"""Part of a statement: of the tokens in $1 and the addresses in $2, those that are good, with their place from 1."""

CONTACTS = """
    silent AS (
        SELECT DISTINCT ON (caller.id) caller.id, caller.address, known.client_id IS NULL AS is_new
        FROM caller LEFT JOIN client_contacts AS known ON known.client_id = caller.id
        WHERE known.client_id IS NULL OR known.last_contact_at <= now() - interval '3 seconds'
    ), free AS (
        SELECT known.client_id, silent.address
        FROM silent JOIN client_contacts AS known ON known.client_id = silent.id
        FOR NO KEY UPDATE OF known SKIP LOCKED
    ), renewed AS (
        UPDATE client_contacts AS known SET last_contact_at = now(), address = free.address
        FROM free WHERE known.client_id = free.client_id
    ), first AS (
        INSERT INTO client_contacts (client_id, last_contact_at, address)
        SELECT id, now(), address FROM silent WHERE is_new ORDER BY id
        ON CONFLICT (client_id) DO NOTHING
    )
"""
"""Notes their sign of life. A contact of the last seconds is not written again, and not even locked: a recorder that
drains its backlog calls many times a second. Nor is one waited for that somebody else is just writing."""

_IDENTIFY = f"WITH {CALLERS}, {CONTACTS} SELECT place, id FROM caller"  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class Caller:
    """The recorder that calls."""

    client_id: uuid.UUID
    address: str | None
    token_sha256: bytes = field(repr=False)
    has_newest_news: bool
    """Whether every change of its configuration that was committed before it called has been heard of."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of one of the requests that a statement was for."""

    client_id: uuid.UUID
    is_written: bool
    """Whether all of it is committed. Otherwise there is no such row, or somebody else was just writing it."""


def written_by_place(rows: Sequence[Record], count: int) -> list[Written | None]:
    """What became of each request of a group; None where the token is no good."""
    written: list[Written | None] = [None] * count
    for row in rows:
        written[row["place"] - 1] = Written(row["id"], row["is_written"])
    return written


class Callers:
    """Tells who calls, many in one statement; a token that was revoked before the call is never good."""

    def __init__(self, direct: Direct, changes: ConfigChanges) -> None:
        self._direct = direct
        self._changes = changes
        self._groups: Groups[tuple[bytes, str | None], Caller | None] = Groups(self._identify)

    async def identify(self, sha256: bytes, address: str | None) -> Caller:
        """The recorder with this token, noted as seen. Raise Unauthorized."""
        try:
            caller = await self._groups.ask((sha256, address))
        except asyncpg.IntegrityConstraintViolationError:
            caller = None  # the client was deleted in between
        if caller is None:
            raise Unauthorized(UNKNOWN_TOKEN)
        return caller

    async def _identify(self, asked: Sequence[tuple[bytes, str | None]]) -> list[Caller | None]:
        tokens, addresses = [sha256 for sha256, _ in asked], [address for _, address in asked]
        rows = await self._changes.ask(_IDENTIFY, tokens, addresses)
        is_heard = rows is not None
        if rows is None:
            rows = await self._direct.fetch(_IDENTIFY, tokens, addresses)
        callers: list[Caller | None] = [None] * len(asked)
        for row in rows:
            place = row["place"] - 1
            callers[place] = Caller(row["id"], addresses[place], tokens[place], is_heard)
        return callers


def sent_token(authorization: str) -> bytes:
    """The SHA-256 of the token in a header. Raise Unauthorized if there can be none."""
    scheme, _, token = authorization.partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("a token is needed: Authorization: Bearer <token>")
    if len(token) > _LONGEST_TOKEN:
        raise Unauthorized(UNKNOWN_TOKEN)
    return token_sha256(token)
