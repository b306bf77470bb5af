"""Who calls: the recorder behind a bearer token, known before anything else of the request is read."""

import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from control_plane.errors import Unauthorized
from control_plane.security.tokens import token_sha256
from control_plane.services import Services

_LONGEST_TOKEN = 512

# One statement finds the client and notes the sign of life. A contact of the last seconds is not written again, and
# not even locked: a recorder that drains its backlog calls many times a second.
_IDENTIFY = text("""
    WITH caller AS (
        SELECT client.id
        FROM client_tokens AS token JOIN clients AS client ON client.id = token.client_id
        WHERE token.token_sha256 = :token_sha256 AND client.is_active
          AND token.revoked_at IS NULL AND (token.expires_at IS NULL OR token.expires_at > now())
    ), contact AS (
        INSERT INTO client_contacts (client_id, last_contact_at, address)
        SELECT caller.id, now(), :address FROM caller
        WHERE NOT EXISTS (
            SELECT FROM client_contacts AS known
            WHERE known.client_id = caller.id AND known.last_contact_at > now() - interval '3 seconds'
        )
        ON CONFLICT (client_id) DO UPDATE SET last_contact_at = excluded.last_contact_at, address = excluded.address
    )
    SELECT id FROM caller
""")

bearer = HTTPBearer(
    scheme_name="client_token",
    description="The recorder's token, as the console shows it once when a local recording client is created.",
    auto_error=False,
)
"""Only for the documentation: `TokenRoute` decides."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The recorder that calls."""

    client_id: uuid.UUID
    address: str | None


class TokenRoute(APIRoute):
    """A route that knows its caller before FastAPI reads the body or the parameters.

    A dependency would come too late: FastAPI reads and parses the body before it asks the first one.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the check before all that FastAPI does with a request."""
        handle = super().get_route_handler()

        async def handle_known_caller(request: Request) -> Response:
            request.state.caller = await identify(request)
            return await handle(request)

        return handle_known_caller


async def identify(request: Request) -> Caller:
    """The recorder whose token the request carries, noted as seen. Raise Unauthorized."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("a token is needed: Authorization: Bearer <token>")
    if len(token) > _LONGEST_TOKEN:
        raise Unauthorized("this token is unknown, revoked or expired")
    services = cast("Services", request.app.state.services)
    address = request.client.host if request.client else None
    client_id = await _client_of(services.engine, token_sha256(token), address)
    if client_id is None:
        raise Unauthorized("this token is unknown, revoked or expired")
    return Caller(client_id, address)


async def _client_of(engine: AsyncEngine, sha256: bytes, address: str | None) -> uuid.UUID | None:
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    try:
        async with autocommit.connect() as connection:
            found = await connection.scalar(_IDENTIFY, {"token_sha256": sha256, "address": address})
    except IntegrityError:
        return None  # the client was deleted in between
    return cast("uuid.UUID | None", found)


def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


KnownCaller = Annotated[Caller, Depends(_caller)]
"""The recorder that calls, for a route."""
