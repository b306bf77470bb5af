"""An API key at the one moment when it is known, and revoking one: an admin's."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqladmin.authentication import login_required
from sqladmin.flash import Flash
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control_plane.console.roles import permits
from control_plane.console.sessions import actor_of, operator_of
from control_plane.console.shown_once import collect
from control_plane.security.api_keys import find_api_key, revoke

if TYPE_CHECKING:
    from control_plane.console.admin import Console


class KeyPages:
    """The page that shows a new key, and the action that revokes one."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def show(self, request: Request) -> Response:
        """The key, if it was just made."""
        key_id = _key_id(request)
        text = collect(self._console.services, request, key_id)
        async with self._console.services.sessions() as session:
            key = await find_api_key(session, key_id)
        context = {"key": key, "text": text}
        return await self._console.templates.TemplateResponse(request, "console/api_key_once.html", context)

    @login_required
    async def revoke(self, request: Request) -> Response:
        """Refuse the key from now on."""
        key_id = _key_id(request)
        async with self._console.services.sessions.begin() as session:
            key = await find_api_key(session, key_id, for_change=True)
            revoke(session, key, now=datetime.now(UTC), actor=actor_of(request))
        Flash.success(request, f"The key {key} was revoked.")
        return RedirectResponse(request.url_for("admin:details", identity="api-key", pk=str(key_id)), status_code=303)


def _key_id(request: Request) -> uuid.UUID:
    if not permits(operator_of(request), "api-key", "create"):
        raise HTTPException(403)
    try:
        return uuid.UUID(request.path_params["pk"])
    except ValueError:
        raise HTTPException(404) from None
