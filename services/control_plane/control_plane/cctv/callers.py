"""Who calls the operators' API, and what each role may do.

| may                                               | viewer | operator | admin |
|---------------------------------------------------|--------|----------|-------|
| read everything (no secret is ever in an answer)  | yes    | yes      | yes   |
| create, change, delete cameras and schedules      |        | yes      | yes   |
| hold and release recordings                       |        | yes      | yes   |
| export footage                                    |        | yes      | yes   |
| change clients (name, cameras, active)            |        | yes      | yes   |
| create and delete clients, rotate, revoke tokens  |        |          | yes   |
| change and delete sites                           |        |          | yes   |
| create sites, keep keys (an admin of all sites)   |        |          | yes   |

Whoever is limited to sites may do that at these sites, and no other exists for them.
"""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from control_plane.errors import Forbidden, NotJson, Unauthorized
from control_plane.events import Actor
from control_plane.models import Role
from control_plane.security.api_keys import recognize_api_key
from control_plane.security.logins import recognize_access_token
from control_plane.security.principals import Principal
from control_plane.security.scopes import allows, wanted
from control_plane.security.tokens import ACCESS_PREFIX
from control_plane.services import Services

_LONGEST_KEY = 200
_READING = {"GET", "HEAD"}
_UNKNOWN = "This API key is unknown, expired or revoked."

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="A key made by `POST api-keys/` or by `control-plane create-api-key NAME --role ROLE`; "
    "or an operator's access token, from `POST login/`.",
)
"""For the document only: the key itself is checked before anything else of the request is read."""


class KeyRoute(APIRoute):
    """A route that looks at the key before the body and the parameters."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Put the check of the key before what FastAPI does."""
        handle = super().get_route_handler()
        wants_body = self.body_field is not None
        feature = str(self.tags[-1]) if self.tags else ""
        is_writing = not _READING.issuperset(self.methods or ())

        async def handle_known(request: Request) -> Response:
            request.state.caller = caller = await _caller(request)
            if not allows(caller.scopes, feature, writing=is_writing):
                raise Forbidden(f"This key lacks the scope {wanted(feature, writing=is_writing)}.")
            if wants_body:
                check_json(request)
            return await handle(request)

        return handle_known


def check_json(request: Request) -> None:
    """Raise NotJson for a body that does not say that it is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_json = media_type == "application/json"
    if not is_json and not (media_type.startswith("application/") and media_type.endswith("+json")):
        raise NotJson("Send the body as JSON, with the header Content-Type: application/json.")


async def _caller(request: Request) -> Principal:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Unauthorized("An API key is needed, or an access token from login/: Authorization: Bearer KEY.")
    services = cast("Services", request.app.state.services)
    address = request.client.host if request.client else None
    request.state.login_id = None
    if len(key) > _LONGEST_KEY:
        raise Unauthorized(_UNKNOWN)
    if key.startswith(ACCESS_PREFIX):
        return await _operator(services, request, key, address)
    async with services.sessions.begin() as session:
        known = await recognize_api_key(session, key, now=datetime.now(UTC))
    if known is None:
        raise Unauthorized(_UNKNOWN)
    return Principal(Actor(f"api_key:{known.name}", address), known.role, known.site_ids, known.scopes)


async def _operator(services: Services, request: Request, token: str, address: str | None) -> Principal:
    async with services.sessions() as session:
        login = await recognize_access_token(session, token, now=datetime.now(UTC))
    if login is None:
        raise Unauthorized("This access token is unknown, expired or revoked: refresh it, or log in again.")
    request.state.login_id = login.id
    operator = login.operator
    site_ids = None if operator.site_ids is None else frozenset(operator.site_ids)
    return Principal(Actor(f"operator:{operator.username}", address), operator.role, site_ids)


def _with(role: Role) -> Callable[[Request], Principal]:
    def caller(request: Request) -> Principal:
        known = cast("Principal", request.state.caller)
        known.needs(role)
        return known

    return caller


def _admin_of_all_sites(request: Request) -> Principal:
    admin = _with(Role.ADMIN)(request)
    admin.needs_all_sites()
    return admin


Viewer = Annotated[Principal, Depends(_with(Role.VIEWER))]
"""Whoever calls. Every query of a route is limited to what exists for them: `fleet.visibility` has the conditions."""

OperatorCaller = Annotated[Principal, Depends(_with(Role.OPERATOR))]
"""Who makes a change that operators may make; its `actor` is for the audit event."""

AdminCaller = Annotated[Principal, Depends(_with(Role.ADMIN))]
"""Who makes a change that only admins may make."""

WholeFleetAdmin = Annotated[Principal, Depends(_admin_of_all_sites)]
"""Who makes a change that belongs to no site, which only admins may make who are limited to none."""
