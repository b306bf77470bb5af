"""Commands from the pages of cameras and recorders, and how far each is: by POST, with a question before."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqladmin.authentication import login_required
from sqladmin.flash import Flash
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from camfleet_contract.commands import LONGEST_MINUTES, CommandKind, CommandState
from control_plane.commands import pictures
from control_plane.commands.asking import ask_of_camera, ask_to_restart, ask_to_rotate_token
from control_plane.commands.following import follow
from control_plane.commands.states import state_of
from control_plane.console.roles import may
from control_plane.console.sessions import operator_of, principal_of
from control_plane.errors import Conflict, Invalid
from control_plane.models import Command

if TYPE_CHECKING:
    from control_plane.console.admin import Console

OF_CAMERAS = {
    "test": CommandKind.TEST_CAMERA,
    "snapshot": CommandKind.SNAPSHOT,
    "record": CommandKind.START_RECORDING,
    "stop": CommandKind.STOP_RECORDING,
}
"""By the last part of their addresses."""
_FOLLOWED_SECONDS = 20.0

_Ask = Callable[[AsyncSession, datetime], Awaitable[Command]]


class CommandActions:
    """Each is asked in one transaction, with an audit event; then comes the command's page."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def of_camera(self, request: Request) -> Response:
        """Test the camera, take a picture, begin or end a recording."""
        kind = OF_CAMERAS.get(request.path_params["what"])
        if kind is None:
            raise HTTPException(404)
        camera_id = _id(request, "camera", "command")
        form = await request.form()

        async def ask(session: AsyncSession, now: datetime) -> Command:
            minutes = _minutes(form.get("minutes")) if kind is CommandKind.START_RECORDING else None
            by = principal_of(request)
            return await ask_of_camera(session, camera_id, kind, now=now, by=by, minutes=minutes)

        return await self._asked(request, "camera", camera_id, ask)

    @login_required
    async def restart(self, request: Request) -> Response:
        """Let the recorder end cleanly and be started anew."""
        client_id = _id(request, "client", "restart")

        async def ask(session: AsyncSession, now: datetime) -> Command:
            return await ask_to_restart(session, client_id, now=now, by=principal_of(request))

        return await self._asked(request, "client", client_id, ask)

    @login_required
    async def deliver_token(self, request: Request) -> Response:
        """Make a token that only the recorder gets to see."""
        client_id = _id(request, "client", "token")

        async def ask(session: AsyncSession, now: datetime) -> Command:
            secrets = self._console.services.secrets
            return await ask_to_rotate_token(session, secrets, client_id, now=now, by=principal_of(request))

        return await self._asked(request, "client", client_id, ask)

    @login_required
    async def state(self, request: Request) -> Response:
        """The state, as soon as it is another than the page shows."""
        command_id = _id(request, "command", "details")
        try:
            shown = CommandState(request.query_params.get("shown", ""))
        except ValueError:
            raise HTTPException(400, "The address names no state.") from None
        services = self._console.services
        command = await follow(
            services, command_id, _FOLLOWED_SECONDS, seen_by=principal_of(request), while_it_is=shown
        )
        return JSONResponse({"state": state_of(command, datetime.now(UTC))})

    @login_required
    async def picture(self, request: Request) -> Response:
        """The picture of a snapshot."""
        command_id = _id(request, "command", "details")
        services = self._console.services
        async with services.sessions() as session:
            picture = await pictures.picture_of(
                session, services.secrets, command_id, seen_by=principal_of(request), now=datetime.now(UTC)
            )
        return Response(picture, media_type="image/jpeg", headers=pictures.HEADERS)

    async def _asked(self, request: Request, identity: str, pk: uuid.UUID, ask: _Ask) -> Response:
        try:
            async with self._console.services.sessions.begin() as session:
                command = await ask(session, datetime.now(UTC))
        except (Conflict, Invalid) as refusal:
            Flash.error(request, refusal.detail)
            return RedirectResponse(request.url_for("admin:details", identity=identity, pk=str(pk)), status_code=303)
        return RedirectResponse(
            request.url_for("admin:details", identity="command", pk=str(command.id)), status_code=303
        )


def _id(request: Request, identity: str, action: str) -> uuid.UUID:
    if not may(operator_of(request).role, identity, action):
        raise HTTPException(403)
    try:
        return uuid.UUID(request.path_params["pk"])
    except ValueError:
        raise HTTPException(404) from None


def _minutes(value: object) -> int:
    text = str(value or "").strip()
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= LONGEST_MINUTES:
        raise Invalid("Minutes", f"must be a whole number from 1 to {LONGEST_MINUTES}")
    return int(text)
