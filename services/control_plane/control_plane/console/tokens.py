"""A recorder's token at the one moment when it is known: shown on a page of its own, once."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqladmin.authentication import login_required
from sqladmin.flash import Flash
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control_plane.console.roles import may
from control_plane.console.sessions import actor_of, operator_of, principal_of
from control_plane.console.shown_once import collect, keep_for_one_page
from control_plane.fleet.clients import ROTATION_OVERLAP, find_client, revoke_tokens, rotate_token
from control_plane.fleet.recorder_env import recorder_env
from control_plane.security.tokens import NewToken
from control_plane.services import Services

if TYPE_CHECKING:
    from control_plane.console.admin import Console


def hand_over(services: Services, request: Request, client_id: uuid.UUID, token: NewToken) -> Response:
    """Go to the page that shows the token."""
    keep_for_one_page(services, request, client_id, token)
    return RedirectResponse(request.url_for("admin:token", pk=str(client_id)), status_code=303)


class TokenPages:
    """The pages and actions of a client's tokens: an admin's."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def show(self, request: Request) -> Response:
        """The token with a snippet for the recorder's `.env`, if it was just made; else how to make another."""
        client_id = self._client_id(request)
        token = collect(self._console.services, request, client_id)
        async with self._console.services.sessions() as session:
            client = await find_client(session, client_id, seen_by=principal_of(request))
        base_url = f"{request.url.scheme}://{request.url.netloc}"
        snippet = recorder_env(self._console.services.settings, base_url, client_id, token) if token else ""
        context = {"client": client, "token": token, "snippet": snippet}
        return await self._console.templates.TemplateResponse(request, "console/token.html", context)

    @login_required
    async def rotate(self, request: Request) -> Response:
        """Make a new token; the earlier ones stay good for a day."""
        client_id = self._client_id(request)
        async with self._console.services.sessions.begin() as session:
            client = await find_client(session, client_id, seen_by=principal_of(request), for_change=True)
            token = await rotate_token(session, client, now=datetime.now(UTC), actor=actor_of(request))
        hours = ROTATION_OVERLAP.total_seconds() / 3600
        Flash.info(request, f"The earlier tokens of {client} stay good for {hours:.0f} hours.")
        return hand_over(self._console.services, request, client_id, token)

    @login_required
    async def revoke(self, request: Request) -> Response:
        """Refuse every token of the client from now on."""
        client_id = self._client_id(request)
        async with self._console.services.sessions.begin() as session:
            client = await find_client(session, client_id, seen_by=principal_of(request), for_change=True)
            count = await revoke_tokens(session, client, now=datetime.now(UTC), actor=actor_of(request))
        text = f"{count} token(s) of {client} were revoked." if count else f"{client} had no live token."
        Flash.success(request, text)
        return RedirectResponse(request.url_for("admin:details", identity="client", pk=str(client_id)), status_code=303)

    def _client_id(self, request: Request) -> uuid.UUID:
        if not may(operator_of(request).role, "client", "token"):
            raise HTTPException(403)
        try:
            return uuid.UUID(request.path_params["pk"])
        except ValueError:
            raise HTTPException(404) from None
