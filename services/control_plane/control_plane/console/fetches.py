"""Fetch now, from the pages of cameras and recordings: an operator's."""

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqladmin.authentication import login_required
from sqladmin.flash import Flash
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from camfleet_contract.schedules import EARLIEST_YEAR, LATEST_YEAR
from camfleet_contract.zones import first_instant, last_instant
from control_plane.console.display import zone_or_utc
from control_plane.console.roles import may
from control_plane.console.sessions import operator_of, principal_of
from control_plane.errors import Conflict, Invalid
from control_plane.fleet.cameras import find_camera
from control_plane.fleet.sites import find_site
from control_plane.recordings.fetches import cancel, fetch_interval, fetch_recording, find_fetch

if TYPE_CHECKING:
    from control_plane.console.admin import Console

_ASKED = "The recorder was asked for this footage: it uploads it before all other."


class FetchActions:
    """By POST, each in one transaction, with an audit event."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def of_recording(self, request: Request) -> Response:
        """Ask for all of a recording."""
        recording_id = _id(request, "recording")
        try:
            async with self._console.services.sessions.begin() as session:
                caller = principal_of(request)
                await fetch_recording(session, recording_id, now=datetime.now(UTC), actor=caller.actor, seen_by=caller)
            Flash.success(request, _ASKED)
        except Conflict as refusal:
            Flash.error(request, refusal.detail)
        return _back(request, "recording", recording_id)

    @login_required
    async def of_camera(self, request: Request) -> Response:
        """Ask for an interval of a camera, in wall-clock time of its site."""
        camera_id = _id(request, "camera")
        form = await request.form()
        try:
            async with self._console.services.sessions.begin() as session:
                caller = principal_of(request)
                camera = await find_camera(session, camera_id, seen_by=caller)
                zone = zone_or_utc((await find_site(session, camera.site_id, seen_by=caller)).timezone)
                start = first_instant(_wall("From", form.get("from")), zone)
                end = last_instant(_wall("To", form.get("to")), zone)
                await fetch_interval(session, camera_id, start, end, now=datetime.now(UTC), actor=caller.actor)
            Flash.success(request, _ASKED)
        except (Conflict, Invalid) as refusal:
            Flash.error(request, refusal.detail)
        return _back(request, "camera", camera_id)

    @login_required
    async def cancel(self, request: Request) -> Response:
        """Let it wait for its turn again."""
        fetch_id = _id(request, "camera")
        async with self._console.services.sessions.begin() as session:
            caller = principal_of(request)
            fetch = await find_fetch(session, fetch_id, seen_by=caller, for_change=True)
            await cancel(session, fetch, now=datetime.now(UTC), actor=caller.actor)
        Flash.success(request, "It was cancelled: the footage waits for its turn.")
        return _back(request, "camera", fetch.camera_id)


def _back(request: Request, identity: str, pk: uuid.UUID) -> Response:
    return RedirectResponse(request.url_for("admin:details", identity=identity, pk=str(pk)), status_code=303)


def _id(request: Request, identity: str) -> uuid.UUID:
    if not may(operator_of(request).role, identity, "fetch"):
        raise HTTPException(403)
    try:
        return uuid.UUID(request.path_params["pk"])
    except ValueError:
        raise HTTPException(404) from None


def _wall(name: str, value: object) -> datetime:
    try:
        wall = datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError:
        raise Invalid(name, "must be a date and a time") from None
    if not EARLIEST_YEAR <= wall.year <= LATEST_YEAR:
        raise Invalid(name, f"must lie in the years {EARLIEST_YEAR} to {LATEST_YEAR}")
    return wall
