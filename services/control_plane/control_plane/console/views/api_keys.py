"""API keys in the console: an admin's. A key is shown once, on a page of its own."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, ClassVar

from sqladmin.authorization import Action
from sqladmin.flash import Flash
from sqlalchemy import ColumnElement, func
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from wtforms import Form, SelectField, StringField

from control_plane.console import display
from control_plane.console.fields import NEEDED, DateField, SearchManyField, show_chosen
from control_plane.console.filters import ChoiceFilter
from control_plane.console.shown_once import keep_for_one_page
from control_plane.console.views import lookups
from control_plane.console.views.base import ConsoleView
from control_plane.console.views.operators import COLOURS, LimitFields, chosen_sites, names_of_sites, shown_sites
from control_plane.errors import Invalid
from control_plane.events import Actor
from control_plane.models import ApiKey, Role
from control_plane.security.api_keys import make_api_key
from control_plane.security.principals import Principal
from control_plane.security.scopes import SCOPES

_ROLES = {
    Role.VIEWER: "Viewer: reads",
    Role.OPERATOR: "Operator: changes cameras, schedules and assignments",
    Role.ADMIN: "Admin: everything",
}


async def _scopes(
    _session: AsyncSession, _seen_by: Principal, term: str, _asked: Mapping[str, str]
) -> list[dict[str, str]]:
    return [{"id": scope, "text": scope} for scope in sorted(SCOPES) if term.strip().lower() in scope]


class ApiKeyForm(LimitFields):
    """A key for a script."""

    name = StringField("Name", [NEEDED], description="Tells in the audit log who did something.")
    role = SelectField("Role", choices=[(str(role), text) for role, text in _ROLES.items()], default=str(Role.VIEWER))
    scopes = SearchManyField(
        "Scopes",
        lookup="scopes",
        description="What it may be used for, within its role: cameras:read is what GET does with cameras. "
        "None: all that its role may.",
    )
    expires_on = DateField("Last day", description="In UTC. Empty: it never expires by itself.")


_SECTIONS = (
    ("Key", "", ("name", "role", "scopes", "expires_on")),
    ("Sites", "", ("is_limited", "site_ids")),
)


def _state_is(value: str) -> ColumnElement[bool]:
    has_expired = ApiKey.expires_at.is_not(None) & (ApiKey.expires_at <= func.now())
    is_over = ApiKey.revoked_at.is_not(None) | has_expired
    return is_over if value == "over" else ~is_over


class ApiKeyView(ConsoleView, model=ApiKey):
    """API keys."""

    name = "API key"
    name_plural = "API keys"
    icon = "ti ti-key"
    explanation = "What scripts call the REST API with. A key is shown once, when it is made."
    empty_text = "There are no keys yet. A script that calls the REST API needs one."
    form_class = ApiKeyForm
    unique_field = "name"
    can_edit = False
    can_delete = False
    lookups = {"site_ids": lookups.sites, "scopes": _scopes}
    details_template = "console/api_key.html"

    column_list = ["name", "prefix", "state", "role", "site_ids", "scopes", "last_used_at", "expires_at"]
    column_details_list = [
        "name",
        "prefix",
        "state",
        "role",
        "site_ids",
        "scopes",
        "last_used_at",
        "created_at",
        "expires_at",
        "revoked_at",
        "id",
    ]
    column_labels = {
        "name": "Name",
        "prefix": "Begins with",
        "state": "State",
        "role": "Role",
        "site_ids": "Sites",
        "scopes": "Scopes",
        "last_used_at": "Last used",
        "created_at": "Created",
        "expires_at": "Expires",
        "revoked_at": "Revoked",
        "id": "Key id",
    }
    column_searchable_list = ["name", "prefix"]
    column_sortable_list = ["name", "role", "last_used_at", "expires_at"]
    column_default_sort = "name"
    console_filters = (
        ChoiceFilter("state", "State", {"live": "Live", "over": "Revoked or expired"}, _state_is),
        ChoiceFilter(
            "role", "Role", {str(role): role.capitalize() for role in Role}, lambda value: ApiKey.role == value
        ),
    )
    column_formatters: ClassVar[Any] = {
        "prefix": lambda key, _: display.code(f"{key.prefix}…"),
        "state": lambda key, _: state(key, datetime.now(UTC)),
        "role": lambda key, _: display.badge(key.role, COLOURS[key.role]),
        "site_ids": lambda key, _, request: shown_sites(key, request),
        "scopes": lambda key, _: ", ".join(key.scopes) if key.scopes is not None else "all",
        "last_used_at": lambda key, _: display.ago(key.last_used_at, datetime.now(UTC)),
        "created_at": lambda key, _: display.moment(key.created_at),
        "expires_at": lambda key, _: display.moment(key.expires_at) if key.expires_at else "never",
        "revoked_at": lambda key, _: display.moment(key.revoked_at),
    }
    column_formatters_detail = column_formatters

    def is_visible(self, request: Request) -> bool:
        """Not in the menu of those who may not open it."""
        return self.has_permission(request, Action.LIST)

    async def extras(self, rows: Sequence[Any], request: Request) -> dict[uuid.UUID, Any]:
        """The names of the sites that the keys are limited to."""
        async with self.services.sessions() as session:
            return dict(await names_of_sites(session, rows))

    async def details_context(self, request: Request) -> dict[str, Any]:
        """Whether there is something to revoke."""
        return {"is_revoked": request.state.row.revoked_at is not None}

    async def form_for(self, request: Request, obj: Any) -> Form:
        """The form, with the sites and scopes that were chosen."""
        form = await super().form_for(request, obj)
        async with self.services.sessions() as session:
            show_chosen(form, "site_ids", await lookups.labels_of_sites(session, form["site_ids"].data or []))
        show_chosen(form, "scopes", [(scope, scope) for scope in form["scopes"].data or [] if scope in SCOPES])
        return form

    async def form_context(self, request: Request, obj: Any) -> dict[str, Any]:
        """The form's parts."""
        return {"sections": _SECTIONS}

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> ApiKey:
        """Make a key; it is shown next."""
        values = form.data
        try:
            role = Role(values["role"])
        except ValueError:
            raise Invalid("role", "there is no such role") from None
        key, request.state.new_key = await make_api_key(
            session,
            values["name"],
            role,
            _end_of(values["expires_on"]),
            actor=actor,
            site_ids=chosen_sites(values),
            scopes=values["scopes"] or None,
        )
        return key

    def after_saving(self, request: Request, saved: Any, *, is_new: bool, again: bool) -> Response:
        """A new key is shown on a page of its own."""
        Flash.success(request, f"{self.name} {saved} was created.")
        keep_for_one_page(self.services, request, saved.id, request.state.new_key)
        return RedirectResponse(request.url_for("admin:api_key_once", pk=str(saved.id)), status_code=303)


def state(key: ApiKey, now: datetime) -> Any:
    """Whether it is good."""
    if key.revoked_at is not None:
        return display.badge("revoked", "red")
    if key.expires_at is not None and key.expires_at <= now:
        return display.badge("expired", "secondary")
    return display.badge("live", "green")


def _end_of(day: str | None) -> datetime | None:
    if not day:
        return None
    try:
        return datetime.combine(date.fromisoformat(day), time.max, UTC)
    except ValueError:
        raise Invalid("expires_on", "must be a day, as in 2026-03-01") from None
