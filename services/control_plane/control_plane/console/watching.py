"""Watching a recording on its page: whoever may see it may, and the audit log has it."""

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqladmin.authentication import login_required
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control_plane.console import display
from control_plane.console.sessions import principal_of
from control_plane.events import record_event
from control_plane.media.links import MediaLinks, Use
from control_plane.models import Segment, SegmentState
from control_plane.recordings.holds import find_recording
from control_plane.services import Services

if TYPE_CHECKING:
    from control_plane.console.admin import Console

_SLOT = "watching"
_LIFETIME = timedelta(hours=2)
"""Of the links on a page, on which one recording is watched from its beginning to its end."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One segment on the player's list."""

    id: str
    url: str
    label: str
    codec: str


class WatchActions:
    """By POST, with an audit event; then the recording's page has a player."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def watch(self, request: Request) -> Response:
        """Let this browser's session watch the recording for a while."""
        try:
            recording_id = uuid.UUID(request.path_params["pk"])
        except ValueError:
            raise HTTPException(404) from None
        caller, now = principal_of(request), datetime.now(UTC)
        async with self._console.services.sessions.begin() as session:
            recording = await find_recording(session, recording_id, seen_by=caller)
            detail = {"recording_id": recording_id, "use": Use.PLAY}
            record_event(session, "camera", recording.camera_id, "camera.footage_linked", caller.actor, detail)
        request.session[_SLOT] = [str(recording_id), (now + _LIFETIME).timestamp()]
        url = request.url_for("admin:details", identity="recording", pk=str(recording_id))
        return RedirectResponse(f"{url}#player", status_code=303)


def playlist(
    request: Request, services: Services, recording_id: uuid.UUID, segments: Sequence[Segment], zone: str
) -> list[dict[str, Any]]:
    """The stored segments with links; nothing where nobody asked to watch this recording."""
    asked, now = request.session.get(_SLOT), datetime.now(UTC)
    if not isinstance(asked, list) or asked[:1] != [str(recording_id)] or float(asked[1]) < now.timestamp():
        return []
    links, store = MediaLinks(services.secrets), services.store.url
    return [
        asdict(
            Shown(
                str(segment.id),
                links.link(segment, store, Use.PLAY, now, _LIFETIME).path,
                display.moment(segment.started_at, zone).striptags(),
                segment.codec,
            )
        )
        for segment in segments
        if segment.state is SegmentState.STORED and segment.is_in(store)
    ]
