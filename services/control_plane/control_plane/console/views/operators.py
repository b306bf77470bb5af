"""Operators in the console: an admin's. Passwords go in and never come out."""

from typing import Any, ClassVar

from sqladmin.authorization import Action
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from wtforms import BooleanField, Form, SelectField, StringField

from control_plane.console import display
from control_plane.console.fields import NEEDED, SecretField, say_stored
from control_plane.console.filters import ChoiceFilter
from control_plane.console.views.base import ConsoleView
from control_plane.errors import Invalid, NotFound
from control_plane.events import Actor
from control_plane.models import Operator, Role
from control_plane.security.operators import change_operator, change_password, create_operator, delete_operator
from control_plane.security.passwords import MINIMUM_LENGTH

_ROLES = {
    Role.VIEWER: "Viewer: sees everything but operators",
    Role.OPERATOR: "Operator: changes cameras, schedules and assignments",
    Role.ADMIN: "Admin: everything",
}
_COLOURS = {Role.VIEWER: "secondary", Role.OPERATOR: "blue", Role.ADMIN: "purple"}


class OperatorForm(Form):
    """An operator."""

    username = StringField("User name", [NEEDED], render_kw={"autocomplete": "off"})
    role = SelectField("Role", choices=[(str(role), text) for role, text in _ROLES.items()], default=str(Role.OPERATOR))
    password = SecretField(
        "Password",
        render_kw={"autocomplete": "new-password"},
        description=f"At least {MINIMUM_LENGTH} characters. A new one ends every session of this operator.",
    )
    is_active = BooleanField("Active", default=True, description="Who is not active can't log in, and is logged out.")


class OperatorView(ConsoleView, model=Operator):
    """Operators."""

    name = "Operator"
    name_plural = "Operators"
    icon = "ti ti-users"
    explanation = "People who use this console. Scripts use API keys instead."
    form_class = OperatorForm
    unique_field = "username"

    column_list = ["username", "role", "is_active", "last_login_at", "created_at"]
    column_details_list = ["username", "role", "is_active", "last_login_at", "created_at", "updated_at", "id"]
    column_labels = {
        "username": "User name",
        "role": "Role",
        "is_active": "Active",
        "last_login_at": "Last login",
        "created_at": "Created",
        "updated_at": "Last changed",
        "id": "Operator id",
    }
    column_searchable_list = ["username"]
    column_sortable_list = ["username", "role", "last_login_at"]
    column_default_sort = "username"
    console_filters = (
        ChoiceFilter(
            "role", "Role", {str(role): role.capitalize() for role in Role}, lambda value: Operator.role == value
        ),
    )
    column_formatters: ClassVar[Any] = {
        "role": lambda operator, _: display.badge(operator.role, _COLOURS[operator.role]),
        "last_login_at": lambda operator, _: display.moment(operator.last_login_at),
        "created_at": lambda operator, _: display.moment(operator.created_at),
        "updated_at": lambda operator, _: display.moment(operator.updated_at),
    }
    column_formatters_detail = column_formatters

    def is_visible(self, request: Request) -> bool:
        """Not in the menu of those who may not open it."""
        return self.has_permission(request, Action.LIST)

    async def form_for(self, request: Request, obj: Any) -> Form:
        """The form; a name is kept for good, since the events tell by it who did what."""
        form = await super().form_for(request, obj)
        if obj is not None:
            del form["username"]
            say_stored(form, "password")
        return form

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> Operator:
        """Make an operator."""
        values = form.data
        operator = await create_operator(
            session, values["username"], values["password"] or "", Role(values["role"]), actor=actor
        )
        if not values["is_active"]:
            await change_operator(session, operator, role=operator.role, is_active=False, actor=actor)
        return operator

    async def change(self, session: AsyncSession, obj: Any, form: Form, actor: Actor, request: Request) -> Operator:
        """Change role, activity and, where one is given, the password."""
        operator = await _find(session, obj)
        try:
            role = Role(form.data["role"])
        except ValueError:
            raise Invalid("role", "there is no such role") from None
        await change_operator(session, operator, role=role, is_active=form.data["is_active"], actor=actor)
        if form.data["password"]:
            await change_password(session, operator, form.data["password"], actor=actor)
        return operator

    async def remove(self, session: AsyncSession, obj: Any, actor: Actor) -> None:
        """Delete the operator."""
        await delete_operator(session, await _find(session, obj), actor=actor)


async def _find(session: AsyncSession, obj: Any) -> Operator:
    operator = await session.get(Operator, obj.id, with_for_update=True)
    if operator is None:
        raise NotFound("This operator was deleted meanwhile.")
    return operator
