"""Local recording clients in the console."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqladmin.flash import Flash
from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload
from starlette.requests import Request
from starlette.responses import Response
from wtforms import Form

from camfleet_contract.uploading import read_hours
from control_plane.console import display
from control_plane.console.asked import newest
from control_plane.console.contacts import OPEN, cameras_now, problems_of, status
from control_plane.console.fields import show_chosen
from control_plane.console.filters import ChoiceFilter, ObjectFilter
from control_plane.console.roles import may
from control_plane.console.sessions import operator_of, principal_of
from control_plane.console.tokens import hand_over
from control_plane.console.uploads import uploads_of
from control_plane.console.views import lookups
from control_plane.console.views.base import ConsoleView, identifier
from control_plane.console.views.client_form import ClientForm
from control_plane.errors import Invalid
from control_plane.events import Actor
from control_plane.fleet.clients import (
    MOST_CAMERAS,
    ClientChange,
    assigned_cameras,
    change_client,
    create_client,
    delete_client,
    find_client,
)
from control_plane.fleet.contact import Contact, has_contact, is_online
from control_plane.fleet.visibility import check_site
from control_plane.models import Camera, Client, ClientCamera, ClientContact, ClientToken, Command, Recording, Site
from control_plane.security.principals import UNLIMITED

_SHOWN_CAMERAS = 100


def _with_status(value: str) -> Any:
    contact = select(ClientContact.last_contact_at).where(ClientContact.client_id == Client.id).scalar_subquery()
    match value:
        case "inactive":
            return ~Client.is_active
        case "never":
            return Client.is_active & contact.is_(None)
        case _:
            return Client.is_active & has_contact(contact, Contact(value), datetime.now(UTC))


class ClientView(ConsoleView, model=Client):
    """Recorders: what the console calls local recording clients."""

    name = "Local recording client"
    name_plural = "Local Recording Clients"
    category = "CCTV"
    icon = "ti ti-device-desktop"
    explanation = "The recorders at your sites: each pulls its cameras' streams and uploads what the schedules ask for."
    form_class = ClientForm
    empty_text = "There are no recorders yet. Make the site and its cameras first, then the recorder that records them."
    lookups = {"site_id": lookups.sites, "camera_ids": lookups.cameras_of_site}

    column_list = ["name", "status", "last_contact", "site", "cameras_count", "recording", "version"]
    column_details_list = [
        "name",
        "site",
        "status",
        "last_contact",
        "recording",
        "version",
        "address",
        "upload_limit_kbit",
        "upload_hours",
        "created_at",
        "id",
    ]
    column_labels = {
        "name": "Name",
        "status": "Status",
        "last_contact": "Last contact",
        "site": "Site",
        "cameras_count": "Cameras",
        "recording": "Active recordings",
        "version": "Version",
        "address": "Called from",
        "upload_limit_kbit": "Upload limit",
        "upload_hours": "Upload hours",
        "created_at": "Created",
        "id": "Client id",
    }
    column_searchable_list = ["name"]
    column_sortable_list = ["name"]
    column_default_sort = "name"
    details_template = "console/client.html"
    console_filters = (
        ChoiceFilter(
            "status",
            "Status",
            {"online": "Online", "late": "Late", "offline": "Offline", "never": "Never seen", "inactive": "Inactive"},
            _with_status,
        ),
        ObjectFilter("site", "Site", lambda value: Client.site_id == value, lambda s, id_: s.get(Site, id_)),
    )
    column_formatters: ClassVar[Any] = {
        "status": lambda client, _: status(client, _contact_at(client), datetime.now(UTC)),
        "last_contact": lambda client, _: display.ago(_contact_at(client), datetime.now(UTC), client.site.timezone),
        "cameras_count": lambda client, _, request: _cameras_link(client, request),
        "recording": lambda client, _, request: _recordings_link(client, request),
        "version": lambda client, _: _heartbeat(client).get("version") or display.nothing(),
    }
    column_formatters_detail: ClassVar[Any] = column_formatters | {
        "last_contact": lambda client, _: _contact_in_full(client),
        "address": lambda client, _: (client.contact and client.contact.address) or display.nothing(),
        "upload_limit_kbit": lambda client, _: (
            display.bits(client.upload_limit_kbit * 125) if client.upload_limit_kbit else "none"
        ),
        "upload_hours": lambda client, _: ", ".join(client.upload_hours) or "always",
        "created_at": lambda client, _: display.moment(client.created_at, client.site.timezone),
    }

    def base_query(self) -> Select[Any]:
        """Clients with their site and last contact."""
        return select(Client).options(joinedload(Client.site), joinedload(Client.contact))

    async def extras(self, rows: Sequence[Any], request: Request) -> dict[uuid.UUID, Any]:
        """How many cameras each has, and how many recordings are open."""
        ids = [client.id for client in rows]
        counted = {
            "cameras": select(ClientCamera.client_id, func.count()).where(ClientCamera.client_id.in_(ids)),
            "recordings": select(Recording.client_id, func.count()).where(
                Recording.client_id.in_(ids), Recording.status.in_(OPEN)
            ),
        }
        found: dict[uuid.UUID, Any] = {client_id: {"cameras": 0, "recordings": 0} for client_id in ids}
        async with self.services.sessions() as session:
            for name, query in counted.items():
                for client_id, count in await session.execute(query.group_by(query.selected_columns[0])):
                    found[client_id][name] = count
        return found

    async def details_context(self, request: Request) -> dict[str, Any]:
        """Its tokens by their prefixes, and its cameras with their states."""
        client_id = request.state.row.id
        now = datetime.now(UTC)
        async with self.services.sessions() as session:
            tokens = await session.scalars(
                select(ClientToken)
                .where(ClientToken.client_id == client_id)
                .order_by(ClientToken.created_at.desc())
                .limit(20)
            )
            cameras = list(
                await session.scalars(
                    select(Camera)
                    .join(ClientCamera, ClientCamera.camera_id == Camera.id)
                    .where(ClientCamera.client_id == client_id)
                    .order_by(Camera.name)
                    .limit(_SHOWN_CAMERAS)
                )
            )
            states = await cameras_now(session, [camera.id for camera in cameras])
            commands = await newest(session, Command.client_id == client_id, now)
        return {
            "tokens": [(token, _token_state(token, now)) for token in tokens],
            "cameras": [(camera, states[camera.id].shown(now)) for camera in cameras],
            "heartbeat": _heartbeat(request.state.row),
            "problems": problems_of(_heartbeat(request.state.row)),
            "uploads": uploads_of(request.state.row, _heartbeat(request.state.row)),
            "commands": commands,
            "may_tokens": may(operator_of(request).role, "client", "token"),
        }

    async def form_for(self, request: Request, obj: Any) -> Form:
        """The form; who may only assign cameras gets no other field."""
        form = await super().form_for(request, obj)
        async with self.services.sessions() as session:
            if obj is not None and request.method == "GET":
                form["camera_ids"].data = [str(id_) for id_ in await assigned_cameras(session, obj.id)]
            chosen = [found for text in form["camera_ids"].data or [] if (found := identifier(text))]
            caller = principal_of(request)
            show_chosen(form, "camera_ids", await lookups.labels(session, caller, chosen[:MOST_CAMERAS]))
            asked = str(form["site_id"].data or request.query_params.get("site", ""))
            site = await lookups.chosen_site(session, caller, asked)
            show_chosen(form, "site_id", [(str(site.id), lookups.site_label(site))] if site else [])
        if not may(operator_of(request).role, "client", "create"):
            for name in ("name", "site_id", "is_active"):
                del form[name]
        return form

    def initial(self, obj: Any) -> dict[str, Any]:
        """The form's values."""
        given = {"name": obj.name, "site_id": str(obj.site_id), "is_active": obj.is_active}
        return given | {"upload_limit_kbit": obj.upload_limit_kbit, "upload_hours": ", ".join(obj.upload_hours)}

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> Client:
        """Make a client; its token is shown next."""
        values = _values(form)
        _check_site(request, values)
        client, token = await create_client(
            session,
            values["name"],
            values["site_id"],
            values["camera_ids"] or [],
            actor=actor,
            is_active=values["is_active"],
            upload_limit_kbit=values["upload_limit_kbit"],
            upload_hours=values["upload_hours"],
        )
        request.state.new_token = token
        return client

    async def change(self, session: AsyncSession, obj: Any, form: Form, actor: Actor, request: Request) -> Client:
        """Change the client."""
        values = _values(form)
        _check_site(request, values)
        client = await find_client(session, obj.id, seen_by=principal_of(request), for_change=True)
        return await change_client(session, client, ClientChange.of(values), actor=actor)

    async def remove(self, session: AsyncSession, obj: Any, actor: Actor) -> None:
        """Delete the client."""
        await delete_client(
            session, await find_client(session, obj.id, seen_by=UNLIMITED, for_change=True), actor=actor
        )

    def after_saving(self, request: Request, saved: Any, *, is_new: bool, again: bool) -> Response:
        """A new client's token is shown on a page of its own."""
        if is_new:
            Flash.success(request, f"Client {saved} was created.")
            return hand_over(self.services, request, saved.id, request.state.new_token)
        return super().after_saving(request, saved, is_new=is_new, again=again)


def _values(form: Form) -> dict[str, Any]:
    values = dict(form.data)
    try:
        values["upload_hours"] = read_hours(values.get("upload_hours") or "")
    except ValueError as error:
        raise Invalid("upload_hours", str(error)) from None
    return values


def _check_site(request: Request, values: dict[str, Any]) -> None:
    if site_id := identifier(str(values.get("site_id", ""))):
        check_site(principal_of(request), site_id)


def _contact_at(client: Client) -> datetime | None:
    return client.contact.last_contact_at if client.contact else None


def _contact_in_full(client: Client) -> Any:
    contact = _contact_at(client)
    if contact is None:
        return "never"
    now, zone = datetime.now(UTC), client.site.timezone
    return display.moment(contact, zone) + " (" + display.ago(contact, now, zone) + ")"


def _heartbeat(client: Client) -> dict[str, Any]:
    return (client.contact.heartbeat if client.contact else None) or {}


def _cameras_link(client: Client, request: Request) -> Any:
    count = request.state.extras[client.id]["cameras"]
    url = request.url_for("admin:list", identity="camera").include_query_params(client=str(client.id))
    return display.link(url, count) if count else display.nothing()


def _recordings_link(client: Client, request: Request) -> Any:
    count = request.state.extras[client.id]["recordings"]
    if not is_online(_contact_at(client), datetime.now(UTC)) or not count:
        return count or display.nothing()
    url = request.url_for("admin:list", identity="recording").include_query_params(
        client=str(client.id), status="recording"
    )
    return display.link(url, count)


def _token_state(token: ClientToken, now: datetime) -> Any:
    if token.revoked_at is not None and token.revoked_at <= now:
        return display.badge("revoked", "red")
    if token.expires_at is not None:
        return (
            display.badge("expired", "secondary") if token.expires_at <= now else display.badge("running out", "yellow")
        )
    return display.badge("live", "green")
