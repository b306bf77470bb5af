"""Cameras in the console: their secrets go in and never come out."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload
from starlette.requests import Request
from wtforms import Form

from control_plane.console import display
from control_plane.console.asked import newest
from control_plane.console.contacts import cameras_now
from control_plane.console.coverage import coverage_of
from control_plane.console.fields import say_stored, show_chosen
from control_plane.console.filters import ChoiceFilter, ObjectFilter
from control_plane.console.roles import may
from control_plane.console.scenes import noticed
from control_plane.console.sessions import operator_of, principal_of
from control_plane.console.uploads import wanted
from control_plane.console.views import lookups
from control_plane.console.views.base import ConsoleView
from control_plane.console.views.camera_form import MODES, SECRETS, SECTIONS, STREAMS, TRANSPORTS, TYPES, CameraForm
from control_plane.events import Actor
from control_plane.fleet.cameras import (
    CameraChange,
    NewCamera,
    change_camera,
    create_camera,
    delete_camera,
    find_camera,
    shown_url,
)
from control_plane.fleet.visibility import check_site
from control_plane.models import Camera, Client, ClientCamera, Command, Fetch, Recording, Schedule, Site
from control_plane.recordings.retention import kept_days
from control_plane.security.principals import UNLIMITED


class CameraView(ConsoleView, model=Camera):
    """Cameras."""

    name = "Camera"
    name_plural = "Cameras"
    category = "CCTV"
    icon = "ti ti-video"
    explanation = "What is recorded. A camera belongs to a site and is assigned to a recorder of that site."
    form_class = CameraForm
    empty_text = "There are no cameras yet. A camera belongs to a site: make that first."
    lookups = {"site_id": lookups.sites}

    column_list = ["name", "state", "site", "ip_address", "location", "recording_mode", "is_active"]
    column_details_list = [
        "name",
        "state",
        "site",
        "location",
        "stream",
        "username",
        "recording_mode",
        "recorded_stream",
        "rtsp_transport",
        "retention_days",
        "camera_type",
        "record_quality",
        "is_active",
        "created_at",
        "updated_at",
        "id",
    ]
    column_labels = {
        "name": "Name",
        "state": "State",
        "site": "Site",
        "ip_address": "Address",
        "location": "Location",
        "stream": "Stream",
        "username": "User name",
        "recording_mode": "Recorded",
        "recorded_stream": "Recorded stream",
        "rtsp_transport": "Transport",
        "retention_days": "Kept for",
        "camera_type": "Type",
        "record_quality": "Quality",
        "is_active": "Active",
        "created_at": "Created",
        "updated_at": "Last changed",
        "id": "Camera id",
    }
    column_searchable_list = ["name", "ip_address", "location"]
    column_sortable_list = ["name", "ip_address", "location"]
    column_default_sort = "name"
    details_template = "console/camera.html"
    console_filters = (
        ChoiceFilter(
            "active", "Active", {"yes": "Active", "no": "Inactive"}, lambda value: Camera.is_active == (value == "yes")
        ),
        ChoiceFilter(
            "mode", "Recorded", {str(k): v for k, v in MODES.items()}, lambda value: Camera.recording_mode == value
        ),
        ObjectFilter("site", "Site", lambda value: Camera.site_id == value, lambda s, id_: s.get(Site, id_)),
        ObjectFilter(
            "client",
            "Recorder",
            lambda value: Camera.id.in_(select(ClientCamera.camera_id).where(ClientCamera.client_id == value)),
            lambda s, id_: s.get(Client, id_),
        ),
    )
    column_formatters: ClassVar[Any] = {
        "state": lambda camera, _, request: _state(camera, request),
        "recording_mode": lambda camera, _: MODES[camera.recording_mode],
        "ip_address": lambda camera, _: camera.ip_address or display.nothing(),
        "location": lambda camera, _: camera.location or display.nothing(),
    }
    column_formatters_detail: ClassVar[Any] = column_formatters | {
        "state": lambda camera, _, request: _state_in_full(camera, request),
        "stream": lambda camera, _, request: _stream(request),
        "recorded_stream": lambda camera, _: STREAMS[camera.recorded_stream],
        "retention_days": lambda camera, _, request: _kept_for(camera, request),
        "rtsp_transport": lambda camera, _: TRANSPORTS[camera.rtsp_transport or ""],
        "camera_type": lambda camera, _: TYPES[camera.camera_type],
        "record_quality": lambda camera, _: camera.record_quality.capitalize(),
        "username": lambda camera, _: camera.username or display.nothing(),
        "created_at": lambda camera, _: display.moment(camera.created_at, camera.site.timezone),
        "updated_at": lambda camera, _: display.moment(camera.updated_at, camera.site.timezone),
    }

    def base_query(self) -> Select[Any]:
        """Cameras with their site; the encrypted columns are not loaded."""
        return select(Camera).options(joinedload(Camera.site))

    async def extras(self, rows: Sequence[Any], request: Request) -> dict[uuid.UUID, Any]:
        """What the recorders say of the cameras."""
        async with self.services.sessions() as session:
            return dict(await cameras_now(session, [camera.id for camera in rows]))

    async def details_context(self, request: Request) -> dict[str, Any]:
        """Its recorders, schedules, newest recordings, and what was noticed about its picture."""
        camera_id = request.state.row.id
        async with self.services.sessions() as session:
            scenes = await noticed(session, camera_id)
            fetches = await wanted(session, Fetch.camera_id == camera_id, datetime.now(UTC))
            request.state.default_retention_days = self.services.settings.retention_days
            camera = await find_camera(session, camera_id, seen_by=principal_of(request))
            request.state.url = shown_url(camera, self.services.secrets)
            return {
                "coverage": await coverage_of(session, camera_id, request.state.row.site.timezone, datetime.now(UTC)),
                "scenes": scenes,
                "fetches": fetches,
                "commands": await newest(session, Command.camera_id == camera_id, datetime.now(UTC)),
                "may_command": may(operator_of(request).role, "camera", "command"),
                "may_fetch": may(operator_of(request).role, "camera", "fetch"),
                "clients": list(
                    await session.scalars(
                        select(Client)
                        .join(ClientCamera, ClientCamera.client_id == Client.id)
                        .where(ClientCamera.camera_id == camera_id)
                        .order_by(Client.name)
                        .limit(20)
                    )
                ),
                "schedules": list(
                    await session.scalars(
                        select(Schedule).where(Schedule.camera_id == camera_id).order_by(Schedule.name).limit(50)
                    )
                ),
                "recordings": list(
                    await session.scalars(
                        select(Recording)
                        .where(Recording.camera_id == camera_id)
                        .order_by(Recording.started_at.desc())
                        .limit(10)
                    )
                ),
            }

    async def form_for(self, request: Request, obj: Any) -> Form:
        """The form, which says of each secret only whether there is one."""
        form = await super().form_for(request, obj)
        async with self.services.sessions() as session:
            caller = principal_of(request)
            asked = str(form["site_id"].data or request.query_params.get("site", ""))
            site = await lookups.chosen_site(session, caller, asked)
            stored = await find_camera(session, obj.id, seen_by=caller) if obj is not None else None
        show_chosen(form, "site_id", [(str(site.id), lookups.site_label(site))] if site else [])
        for name in SECRETS:
            if stored is not None and getattr(stored, f"{name}_encrypted"):
                say_stored(form, name)
            else:
                del form[f"clear_{name}"]
        if stored is not None and stored.rtsp_url_encrypted:
            unreadable = "can't be read with the keys that the server has: enter it again"
            say_stored(form, "rtsp_url", shown_url(stored, self.services.secrets) or unreadable)
        return form

    def initial(self, obj: Any) -> dict[str, Any]:
        """The form's values, without any secret."""
        names = CameraChange.model_fields.keys() - set(SECRETS)
        given = {"site_id": str(obj.site_id), "rtsp_transport": obj.rtsp_transport or ""}
        return {name: getattr(obj, name) for name in names} | given

    async def form_context(self, request: Request, obj: Any) -> dict[str, Any]:
        """The form's parts."""
        return {"sections": SECTIONS}

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> Camera:
        """Make a camera."""
        new = NewCamera.of(_values(form))
        check_site(principal_of(request), new.site_id)
        return await create_camera(session, self.services.secrets, new, actor=actor)

    async def change(self, session: AsyncSession, obj: Any, form: Form, actor: Actor, request: Request) -> Camera:
        """Change the camera."""
        caller, change = principal_of(request), CameraChange.of(_values(form))
        camera = await find_camera(session, obj.id, seen_by=caller, for_change=True)
        check_site(caller, change.site_id)
        return await change_camera(session, self.services.secrets, camera, change, actor=actor)

    def again_with(self, saved: Any) -> dict[str, str]:
        """A site has many cameras."""
        return {"site": str(saved.site_id)}

    async def remove(self, session: AsyncSession, obj: Any, actor: Actor) -> None:
        """Delete the camera."""
        await delete_camera(
            session, await find_camera(session, obj.id, seen_by=UNLIMITED, for_change=True), actor=actor
        )


def _values(form: Form) -> dict[str, Any]:
    """What was filled in; an empty secret is not sent on, unless it is to be forgotten."""
    values = {name: value for name, value in form.data.items() if name in CameraChange.model_fields}
    values["location"] = values["location"] or None
    values["rtsp_transport"] = values["rtsp_transport"] or None
    for name in SECRETS:
        if not values[name]:
            del values[name]
            if form.data.get(f"clear_{name}"):
                values[name] = None
    return values


def _state(camera: Camera, request: Request) -> Any:
    if not camera.is_active:
        return display.dot("inactive", "secondary")
    return request.state.extras[camera.id].shown(datetime.now(UTC))


def _state_in_full(camera: Camera, request: Request) -> Any:
    if not camera.is_active:
        return _state(camera, request)
    return request.state.extras[camera.id].shown_in_full(datetime.now(UTC), camera.site.timezone)


def _kept_for(camera: Camera, request: Request) -> str:
    days = kept_days(camera.retention_days, request.state.default_retention_days)
    text = f"{days} days" if days else "ever"
    return text if camera.retention_days else f"{text}, as the server is set"


def _stream(request: Request) -> Any:
    if request.state.url is None:
        return display.badge("can't be read with the keys that the server has: enter its password or URL again", "red")
    return display.code(request.state.url) if request.state.url else display.nothing()
