"""One's own account: changing the password."""

import uuid
from typing import TYPE_CHECKING

from sqladmin.authentication import login_required
from sqladmin.flash import Flash
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from wtforms import Form

from control_plane.console.fields import NEEDED, SecretField
from control_plane.console.roles import permits
from control_plane.console.sessions import actor_of, operator_of, sign_in
from control_plane.console.views.base import identifier, show_problems
from control_plane.errors import Invalid, NotFound
from control_plane.models import Operator
from control_plane.security.operators import change_password, end_sessions
from control_plane.security.passwords import MINIMUM_LENGTH, is_password

if TYPE_CHECKING:
    from control_plane.console.admin import Console


class PasswordForm(Form):
    """A new password; the old one shows that it is the operator who sits there."""

    current = SecretField("Current password", [NEEDED], render_kw={"autocomplete": "current-password"})
    password = SecretField(
        "New password",
        [NEEDED],
        render_kw={"autocomplete": "new-password"},
        description=f"At least {MINIMUM_LENGTH} characters. Other browsers in which you are logged in are logged out.",
    )
    repeated = SecretField("New password again", [NEEDED], render_kw={"autocomplete": "new-password"})


class AccountPages:
    """The account's page."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        self._admin_ref = console

    @login_required
    async def account(self, request: Request) -> Response:
        """The form for a new password, and what it sends."""
        form = PasswordForm(await request.form() if request.method == "POST" else None)
        if request.method == "POST" and form.validate():
            try:
                operator = await self._change(request, form)
            except Invalid as error:
                show_problems(form, error)
            else:
                sign_in(request, operator)
                Flash.success(request, "Your password was changed.")
                return RedirectResponse(request.url_for("admin:index"), status_code=303)
        status = 422 if request.method == "POST" else 200
        return await self._console.templates.TemplateResponse(
            request, "console/account.html", {"form": form}, status_code=status
        )

    @login_required
    async def end_own_sessions(self, request: Request) -> Response:
        """End every other session of one's own: other browsers, and logins over the API."""
        operator = await self._end_sessions(operator_of(request).id, request)
        sign_in(request, operator)
        Flash.success(request, "You are logged out everywhere but here.")
        return RedirectResponse(request.url_for("admin:account"), status_code=303)

    @login_required
    async def end_sessions_of(self, request: Request) -> Response:
        """End every session of an operator: an admin's."""
        if not permits(operator_of(request), "operator", "edit"):
            raise HTTPException(403)
        operator_id = identifier(request.path_params["pk"])
        if operator_id is None:
            raise HTTPException(404)
        operator = await self._end_sessions(operator_id, request)
        if operator_id == operator_of(request).id:
            sign_in(request, operator)
        Flash.success(request, f"{operator} is logged out everywhere.")
        return RedirectResponse(request.url_for("admin:details", identity="operator", pk=str(operator_id)), 303)

    async def _end_sessions(self, operator_id: uuid.UUID, request: Request) -> Operator:
        async with self._console.services.sessions.begin() as session:
            operator = await session.get(Operator, operator_id, with_for_update=True)
            if operator is None:
                raise NotFound("This operator was deleted meanwhile.")
            end_sessions(session, operator, actor=actor_of(request))
            return operator

    async def _change(self, request: Request, form: Form) -> Operator:
        values = form.data
        async with self._console.services.sessions.begin() as session:
            operator = await session.get(Operator, operator_of(request).id, with_for_update=True)
            if operator is None:
                raise NotFound("This operator was deleted meanwhile.")
            if not await is_password(values["current"], operator.password_hash):
                raise Invalid("current", "is wrong")
            if values["password"] != values["repeated"]:
                raise Invalid("repeated", "is not the same as the new password")
            await change_password(session, operator, values["password"], actor=actor_of(request))
            return operator
