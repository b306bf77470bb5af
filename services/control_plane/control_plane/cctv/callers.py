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
from control_plane.security.principals import Principal
from control_plane.security.scopes import allows, wanted
from control_plane.services import Services

_LONGEST_KEY = 200
_READING = {"GET", "HEAD"}

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="A key made by `control-plane create-api-key NAME --role ROLE`.",
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
            if wants_body and not _is_json(request.headers.get("content-type", "")):
                raise NotJson("Send the body as JSON, with the header Content-Type: application/json.")
            return await handle(request)

        return handle_known


def _is_json(content_type: str) -> bool:
    media_type = content_type.partition(";")[0].strip().lower()
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


async def _caller(request: Request) -> Principal:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Unauthorized("An API key is needed: Authorization: Bearer KEY.")
    services = cast("Services", request.app.state.services)
    known = None
    if len(key) <= _LONGEST_KEY:
        async with services.sessions.begin() as session:
            known = await recognize_api_key(session, key, now=datetime.now(UTC))
    if known is None:
        raise Unauthorized("This API key is unknown, expired or revoked.")
    address = request.client.host if request.client else None
    return Principal(Actor(f"api_key:{known.name}", address), known.role, known.site_ids, known.scopes)


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
