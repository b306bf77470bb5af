"""`login/`: operators who call with their own name and password instead of a key, and who the caller is."""

import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Body, Request, Response, status
from fastapi.routing import APIRoute
from pydantic import ConfigDict, Field

from camfleet_contract.messages import Message, Text
from control_plane.cctv import examples
from control_plane.cctv.answers import Answer
from control_plane.cctv.callers import KeyRoute, Viewer, check_json
from control_plane.cctv.refusals import CONFLICT, NOT_JSON, TOO_MANY, WRONG_LOGIN, WRONG_REFRESH
from control_plane.database import Session
from control_plane.errors import Conflict, TooMany, Unauthorized
from control_plane.models import Role
from control_plane.security.login_throttle import WINDOW
from control_plane.security.logins import Tokens, begin_login, end_login, operator_of, refresh_login
from control_plane.security.operators import end_sessions, recognize_operator
from control_plane.services import Shared

_LONGEST_PASSWORD = 1000


class OpenRoute(APIRoute):
    """A route for callers who have no key yet: the body must say that it is JSON, and nothing else is asked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the check before what FastAPI does."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            check_json(request)
            return await handle(request)

        return handle_json


entrance = APIRouter(route_class=OpenRoute, tags=["login"])
"""Without a key."""
router = APIRouter(route_class=KeyRoute, tags=["login"])
"""For whoever is in."""


class Credentials(Message):
    """Who logs in."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    username: Annotated[Text, Field(max_length=100, examples=["maria"])]
    password: Annotated[Text, Field(max_length=_LONGEST_PASSWORD, json_schema_extra={"writeOnly": True})]


class RefreshToken(Message):
    """The right to new tokens."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    refresh_token: Annotated[Text, Field(max_length=200, json_schema_extra={"writeOnly": True})]


class TokensAnswer(Answer):
    """What an operator calls with. Nothing of it is shown again."""

    access_token: Annotated[str, Field(examples=["cfa_Vb0x…"])]
    """For `Authorization: Bearer`."""
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a scheme's name (RFC 6750), no secret
    expires_in: Annotated[int, Field(ge=0, examples=[600])]
    """Seconds that the access token is good for."""
    refresh_token: Annotated[str, Field(examples=["cff_Wc1y…"])]
    """Good once, for `login/refresh/`."""
    refresh_expires_at: datetime
    username: str
    role: Role
    site_ids: list[uuid.UUID] | None
    """The only sites that exist for this operator; null: all."""

    @classmethod
    def of(cls, tokens: Tokens, now: datetime) -> "TokensAnswer":
        return cls(
            access_token=tokens.access.text,
            expires_in=int((tokens.access_expires_at - now).total_seconds()),
            refresh_token=tokens.refresh.text,
            refresh_expires_at=tokens.refresh_expires_at,
            username=tokens.operator.username,
            role=tokens.operator.role,
            site_ids=tokens.operator.site_ids,
        )


class CallerAnswer(Answer):
    """Who calls, and how far that reaches."""

    kind: Literal["operator", "api_key"]
    name: str
    role: Role
    site_ids: list[uuid.UUID] | None
    """The only sites that exist for the caller; null: all."""
    scopes: list[str] | None
    """What the key may be used for; null: all that its role may."""


@entrance.post("/login/", responses=WRONG_LOGIN | NOT_JSON | TOO_MANY)
async def log_in(
    services: Shared, request: Request, given: Annotated[Credentials, Body(openapi_examples=examples.CREDENTIALS)]
) -> TokensAnswer:
    """Log in with an operator's name and password, as at the console.

    The access token is good for ten minutes. The refresh token is exchanged at `login/refresh/`, for a month at most.
    """
    now, address = datetime.now(UTC), _address(request)
    async with services.logins.turn(address):
        async with services.sessions() as session:
            if await services.logins.is_shut(session, given.username, address, now):
                raise TooMany("Too many failed logins: wait.", retry_after_seconds=int(WINDOW.total_seconds()))
        async with services.sessions.begin() as session:
            operator = await recognize_operator(session, given.username, given.password, now=now)
            services.logins.record(session, given.username, address, success=operator is not None)
            tokens = await begin_login(session, operator, now=now) if operator else None
    if tokens is None:
        raise Unauthorized("Unknown user name or wrong password.")
    return TokensAnswer.of(tokens, now)


@entrance.post("/login/refresh/", responses=WRONG_REFRESH | NOT_JSON)
async def refresh(
    services: Shared, request: Request, given: Annotated[RefreshToken, Body(openapi_examples=examples.REFRESH)]
) -> TokensAnswer:
    """Exchange the refresh token for new tokens. The access token that you have stays good until its own end.

    A refresh token is good once. If one is used again, somebody else has it: the login and all its tokens are over.
    """
    now = datetime.now(UTC)
    # Its own transaction: what a stolen token ended must be committed before it is refused.
    async with services.sessions.begin() as session:
        tokens = await refresh_login(session, given.refresh_token, now=now, address=_address(request))
    if tokens is None:
        raise Unauthorized("This refresh token is unknown, used, expired or revoked: log in again.")
    return TokensAnswer.of(tokens, now)


@router.post("/login/logout/", status_code=status.HTTP_204_NO_CONTENT, responses=CONFLICT)
async def log_out(session: Session, request: Request, caller: Viewer) -> None:
    """End this login: its access and refresh tokens are refused from now on."""
    await end_login(session, _login_id(request), now=datetime.now(UTC), actor=caller.actor)


@router.post("/login/revoke-all/", status_code=status.HTTP_204_NO_CONTENT, responses=CONFLICT)
async def revoke_all(session: Session, request: Request, caller: Viewer) -> None:
    """End every login of yours, this one too, and every session at the console."""
    end_sessions(session, await operator_of(session, _login_id(request)), actor=caller.actor)


@router.get("/me/")
async def me(caller: Viewer) -> CallerAnswer:
    """Show who calls."""
    kind, _, name = caller.actor.name.partition(":")
    return CallerAnswer(
        kind=cast("Literal['operator', 'api_key']", kind),
        name=name,
        role=caller.role,
        site_ids=None if caller.site_ids is None else sorted(caller.site_ids),
        scopes=None if caller.scopes is None else sorted(caller.scopes),
    )


def _login_id(request: Request) -> uuid.UUID:
    login_id: uuid.UUID | None = request.state.login_id
    if login_id is None:
        raise Conflict("An API key has no login: revoke the key instead.")
    return login_id


def _address(request: Request) -> str | None:
    return request.client.host if request.client else None
