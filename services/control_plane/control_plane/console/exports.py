"""Exporting a recording from its page: an operator's."""

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
from control_plane.custody.exports import Download, prepare_export
from control_plane.errors import Invalid
from control_plane.recordings.holds import find_recording

if TYPE_CHECKING:
    from control_plane.console.admin import Console


class ExportActions:
    """By POST: it writes an audit event."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def export(self, request: Request) -> Response:
        """Give the recording's stored segments out as a ZIP file, with the manifest that proves them."""
        if not may(operator_of(request).role, "recording", "export"):
            raise HTTPException(403)
        try:
            recording_id = uuid.UUID(request.path_params["pk"])
        except ValueError:
            raise HTTPException(404) from None
        services, now = self._console.services, datetime.now(UTC)
        async with services.sessions.begin() as session:
            recording = await find_recording(session, recording_id, seen_by=principal_of(request))
        end = recording.ended_at or now
        try:
            export = await prepare_export(
                services, recording.camera_id, recording.started_at, end, actor_of(request), now
            )
        except Invalid as error:
            Flash.error(request, f"Nothing was exported: {error}")
            url = request.url_for("admin:details", identity="recording", pk=str(recording_id))
            return RedirectResponse(url, status_code=303)
        return Download(export, services.store)
