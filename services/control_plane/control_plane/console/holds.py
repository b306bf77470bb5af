"""Holding and releasing a recording from its page: an operator's."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqladmin.authentication import login_required
from sqladmin.flash import Flash
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control_plane.console.roles import may
from control_plane.console.sessions import operator_of, principal_of
from control_plane.recordings.holds import hold, release

if TYPE_CHECKING:
    from control_plane.console.admin import Console


class HoldActions:
    """By POST, each in one transaction, with an audit event."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def hold(self, request: Request) -> Response:
        """Keep the recording's files until it is released."""
        recording_id = _recording_id(request)
        async with self._console.services.sessions.begin() as session:
            caller = principal_of(request)
            await hold(session, recording_id, now=datetime.now(UTC), actor=caller.actor, seen_by=caller)
        Flash.success(
            request, "The recording is held: its files at the site and in the store stay until it is released."
        )
        return self._back(request, recording_id)

    @login_required
    async def release(self, request: Request) -> Response:
        """Let the rules of retention have it again."""
        recording_id = _recording_id(request)
        async with self._console.services.sessions.begin() as session:
            caller = principal_of(request)
            await release(session, recording_id, actor=caller.actor, seen_by=caller)
        Flash.success(request, "The recording was released: the rules of retention apply to it again.")
        return self._back(request, recording_id)

    def _back(self, request: Request, recording_id: uuid.UUID) -> Response:
        url = request.url_for("admin:details", identity="recording", pk=str(recording_id))
        return RedirectResponse(url, status_code=303)


def _recording_id(request: Request) -> uuid.UUID:
    if not may(operator_of(request).role, "recording", "hold"):
        raise HTTPException(403)
    try:
        return uuid.UUID(request.path_params["pk"])
    except ValueError:
        raise HTTPException(404) from None
