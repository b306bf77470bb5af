"""The login page: who may come in."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from control_plane.console.sessions import address_of, safe_next, sign_in
from control_plane.security.login_throttle import WINDOW
from control_plane.security.operators import recognize_operator

if TYPE_CHECKING:
    from control_plane.console.admin import Console

_WRONG = "Unknown user name or wrong password."
_WHY = {
    "ended": "Your session has ended. Log in again.",
    "unsaved": "Your session had ended, so nothing was saved. Log in and try again.",
}
_OPEN_TOO_LONG = "This page was open for too long. Try again."
_SHUT = f"Too many failed logins. Wait {WINDOW.total_seconds() / 60:.0f} minutes and try again."


async def login(console: "Console", request: Request) -> Response:
    """Show the form; on POST, begin a session if name and password are right."""
    form = await request.form() if request.method == "POST" else None
    wanted = str((form or request.query_params).get("next", ""))
    if form is None:
        return await _page(console, request, wanted, note=_WHY.get(request.query_params.get("why", ""), ""))
    username, password = str(form.get("username", "")), str(form.get("password", ""))
    address = address_of(request)
    throttle = console.services.logins
    async with throttle.turn(address):
        async with console.services.sessions() as session:
            shut = await throttle.is_shut(session, username, address, datetime.now(UTC))
        if shut:
            return await _page(console, request, wanted, username, _SHUT, status=429)
        async with console.services.sessions.begin() as session:
            operator = await recognize_operator(session, username, password, now=datetime.now(UTC))
            throttle.record(session, username, address, success=operator is not None)
    if operator is None:
        return await _page(console, request, wanted, username, _WRONG, status=401)
    sign_in(request, operator)
    return RedirectResponse(safe_next(request, wanted), status_code=303)


async def ask_again(console: "Console", request: Request) -> Response:
    """The form once more, for one that was sent without the token of a session: it stood open too long."""
    return await _page(console, request, "", error=_OPEN_TOO_LONG, status=403)


async def _page(
    console: "Console",
    request: Request,
    wanted: str,
    username: str = "",
    error: str = "",
    note: str = "",
    status: int = 200,
) -> Response:
    context = {"next": wanted, "username": username, "error": error, "note": note}
    return await console.templates.TemplateResponse(request, "sqladmin/login.html", context, status_code=status)
