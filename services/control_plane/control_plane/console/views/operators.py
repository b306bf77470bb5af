"""Operators in the console: an admin's. Passwords go in and never come out."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sqladmin.authorization import Action
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from wtforms import BooleanField, Form, SelectField, StringField

from control_plane.console import display
from control_plane.console.fields import NEEDED, SearchManyField, SecretField, say_stored, show_chosen
from control_plane.console.filters import ChoiceFilter
from control_plane.console.views import lookups
from control_plane.console.views.base import ConsoleView, identifier
from control_plane.errors import Invalid, NotFound
from control_plane.events import Actor
from control_plane.models import ApiKey, Operator, Role, Site
from control_plane.security.operators import change_operator, change_password, create_operator, delete_operator
from control_plane.security.passwords import MINIMUM_LENGTH

_ROLES = {
    Role.VIEWER: "Viewer: sees everything but operators",
    Role.OPERATOR: "Operator: changes cameras, schedules and assignments",
    Role.ADMIN: "Admin: everything",
}
COLOURS = {Role.VIEWER: "secondary", Role.OPERATOR: "blue", Role.ADMIN: "purple"}


class LimitFields(Form):
    """The sites that an operator or a key is limited to."""

    is_limited = BooleanField(
        "Only some sites",
        description="Whoever is limited to sites sees nothing of any other, and keeps neither operators nor keys.",
    )
    site_ids = SearchManyField(
        "Sites",
        lookup="site_ids",
        description="Those that are chosen are the only ones. With none, and the switch off: all.",
    )


class OperatorForm(LimitFields):
    """An operator."""

    username = StringField("User name", [NEEDED], render_kw={"autocomplete": "off"})
    role = SelectField("Role", choices=[(str(role), text) for role, text in _ROLES.items()], default=str(Role.OPERATOR))
    password = SecretField(
        "Password",
        render_kw={"autocomplete": "new-password"},
        description=f"At least {MINIMUM_LENGTH} characters. A new one ends every session of this operator.",
    )
    is_active = BooleanField("Active", default=True, description="Who is not active can't log in, and is logged out.")


_SECTIONS = (
    ("Operator", "", ("username", "role", "password", "is_active")),
    ("Sites", "", ("is_limited", "site_ids")),
)


class OperatorView(ConsoleView, model=Operator):
    """Operators."""

    name = "Operator"
    name_plural = "Operators"
    icon = "ti ti-users"
    explanation = "People who use this console. Scripts use API keys instead."
    form_class = OperatorForm
    unique_field = "username"
    details_template = "console/operator.html"
    lookups = {"site_ids": lookups.sites}

    column_list = ["username", "role", "site_ids", "is_active", "last_login_at", "created_at"]
    column_details_list = [
        "username",
        "role",
        "site_ids",
        "is_active",
        "last_login_at",
        "created_at",
        "updated_at",
        "id",
    ]
    column_labels = {
        "username": "User name",
        "role": "Role",
        "site_ids": "Sites",
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
        "role": lambda operator, _: display.badge(operator.role, COLOURS[operator.role]),
        "site_ids": lambda operator, _, request: shown_sites(operator, request),
        "last_login_at": lambda operator, _: display.moment(operator.last_login_at),
        "created_at": lambda operator, _: display.moment(operator.created_at),
        "updated_at": lambda operator, _: display.moment(operator.updated_at),
    }
    column_formatters_detail = column_formatters

    def is_visible(self, request: Request) -> bool:
        """Not in the menu of those who may not open it."""
        return self.has_permission(request, Action.LIST)

    async def extras(self, rows: Sequence[Any], request: Request) -> dict[uuid.UUID, Any]:
        """The names of the sites that the operators are limited to."""
        async with self.services.sessions() as session:
            return dict(await names_of_sites(session, rows))

    async def form_for(self, request: Request, obj: Any) -> Form:
        """The form; a name is kept for good, since the events tell by it who did what."""
        form = await super().form_for(request, obj)
        async with self.services.sessions() as session:
            show_chosen(form, "site_ids", await lookups.labels_of_sites(session, form["site_ids"].data or []))
        if obj is not None:
            del form["username"]
            say_stored(form, "password")
        return form

    async def form_context(self, request: Request, obj: Any) -> dict[str, Any]:
        """The form's parts."""
        return {"sections": _SECTIONS}

    def initial(self, obj: Any) -> dict[str, Any]:
        """The form's values."""
        site_ids = [str(site_id) for site_id in obj.site_ids or ()]
        return super().initial(obj) | {"is_limited": obj.site_ids is not None, "site_ids": site_ids}

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> Operator:
        """Make an operator."""
        values = form.data
        sites = chosen_sites(values)
        operator = await create_operator(
            session, values["username"], values["password"] or "", Role(values["role"]), actor=actor, site_ids=sites
        )
        if not values["is_active"]:
            await change_operator(session, operator, role=operator.role, is_active=False, site_ids=sites, actor=actor)
        return operator

    async def change(self, session: AsyncSession, obj: Any, form: Form, actor: Actor, request: Request) -> Operator:
        """Change role, activity and, where one is given, the password."""
        operator = await _find(session, obj)
        try:
            role = Role(form.data["role"])
        except ValueError:
            raise Invalid("role", "there is no such role") from None
        await change_operator(
            session,
            operator,
            role=role,
            is_active=form.data["is_active"],
            site_ids=chosen_sites(form.data),
            actor=actor,
        )
        if form.data["password"]:
            await change_password(session, operator, form.data["password"], actor=actor)
        return operator

    async def remove(self, session: AsyncSession, obj: Any, actor: Actor) -> None:
        """Delete the operator."""
        await delete_operator(session, await _find(session, obj), actor=actor)


def chosen_sites(values: Mapping[str, Any]) -> list[uuid.UUID] | None:
    """The sites that were chosen; None for all, which takes an empty box and no site chosen."""
    chosen = values["site_ids"] or []
    if not chosen and not values["is_limited"]:
        return None
    found = [identifier(str(text)) for text in chosen]
    if None in found:
        raise Invalid("site_ids", "there is no such site")
    return [site_id for site_id in found if site_id]


async def names_of_sites(session: AsyncSession, rows: Sequence[Operator | ApiKey]) -> dict[uuid.UUID, str]:
    """The names of all sites that somebody of these is limited to."""
    wanted = {site_id for row in rows for site_id in row.site_ids or ()}
    found = await session.execute(select(Site.id, Site.name).where(Site.id.in_(wanted)))
    return {row.id: row.name for row in found}


def shown_sites(row: Operator | ApiKey, request: Request) -> Any:
    """The sites that an operator or a key is limited to."""
    if row.site_ids is None:
        return "all"
    names = [name for site_id in row.site_ids if (name := request.state.extras.get(site_id))]
    return ", ".join(sorted(names)) or display.badge("none that is left", "yellow")


async def _find(session: AsyncSession, obj: Any) -> Operator:
    operator = await session.get(Operator, obj.id, with_for_update=True)
    if operator is None:
        raise NotFound("This operator was deleted meanwhile.")
    return operator
