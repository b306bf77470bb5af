"""Sites in the console."""

import uuid
from collections.abc import Sequence
from typing import Any, ClassVar
from zoneinfo import available_timezones

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from wtforms import Form, SelectField, StringField

from control_plane.console import display
from control_plane.console.fields import NEEDED
from control_plane.console.sessions import principal_of
from control_plane.console.views.base import ConsoleView
from control_plane.events import Actor
from control_plane.fleet.sites import NewSite, SiteChange, change_site, create_site, delete_site, find_site
from control_plane.models import Camera, Client, Site
from control_plane.security.principals import UNLIMITED


class SiteForm(Form):
    """A site."""

    name = StringField("Name", [NEEDED])
    timezone = SelectField(
        "Time zone",
        choices=lambda: [(name, name) for name in sorted(available_timezones())],
        default="UTC",
        validate_choice=False,
        description="Schedules of this site's cameras are meant in this zone, daylight saving included.",
    )


class SiteView(ConsoleView, model=Site):
    """Sites."""

    name = "Site"
    name_plural = "Sites"
    icon = "ti ti-map-pin"
    explanation = "Places with cameras and recorders, each in its time zone."
    form_class = SiteForm
    empty_text = "There are no sites yet. A site is a place with its time zone: everything else belongs to one."
    unique_field = "name"

    column_list = ["name", "timezone", "cameras_count", "clients_count", "created_at"]
    column_details_list = ["name", "timezone", "cameras_count", "clients_count", "created_at", "updated_at"]
    column_labels = {
        "name": "Name",
        "timezone": "Time zone",
        "cameras_count": "Cameras",
        "clients_count": "Recorders",
        "created_at": "Created",
        "updated_at": "Last changed",
    }
    column_searchable_list = ["name", "timezone"]
    column_sortable_list = ["name", "timezone", "created_at"]
    column_default_sort = "name"
    details_template = "console/site.html"

    column_formatters: ClassVar[Any] = {
        "created_at": lambda site, _, __: display.moment(site.created_at, site.timezone),
        "updated_at": lambda site, _, __: display.moment(site.updated_at, site.timezone),
        "cameras_count": lambda site, _, request: _linked_count(site, request, "camera", 0),
        "clients_count": lambda site, _, request: _linked_count(site, request, "client", 1),
    }
    column_formatters_detail = column_formatters

    async def extras(self, rows: Sequence[Any], request: Request) -> dict[uuid.UUID, Any]:
        """How many cameras and recorders each site has."""
        ids = [site.id for site in rows]
        async with self.services.sessions() as session:
            cameras, clients = [
                dict(
                    (
                        await session.execute(
                            select(model.site_id, func.count()).where(model.site_id.in_(ids)).group_by(model.site_id)
                        )
                    ).all()
                )
                for model in (Camera, Client)
            ]
        return {site_id: (cameras.get(site_id, 0), clients.get(site_id, 0)) for site_id in ids}

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> Site:
        """Make a site."""
        return await create_site(session, NewSite.of(form.data), actor=actor)

    async def change(self, session: AsyncSession, obj: Any, form: Form, actor: Actor, request: Request) -> Site:
        """Change the site."""
        site = await find_site(session, obj.id, seen_by=principal_of(request), for_change=True)
        return await change_site(session, site, SiteChange.of(form.data), actor=actor)

    async def remove(self, session: AsyncSession, obj: Any, actor: Actor) -> None:
        """Delete the site."""
        await delete_site(session, await find_site(session, obj.id, seen_by=UNLIMITED, for_change=True), actor=actor)


def _linked_count(site: Site, request: Request, identity: str, index: int) -> Any:
    count = request.state.extras.get(site.id, (0, 0))[index]
    url = request.url_for("admin:list", identity=identity).include_query_params(site=str(site.id))
    return display.link(url, count) if count else display.nothing()
