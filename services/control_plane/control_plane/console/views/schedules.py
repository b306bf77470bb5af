"""Recording schedules in the console."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, ClassVar

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload
from starlette.requests import Request
from wtforms import BooleanField, Form, IntegerField, SelectField, StringField

from camfleet_contract.messages import Interval
from camfleet_contract.schedules import ScheduleRule, ScheduleType, Weekday, Window, windows
from control_plane.console import display
from control_plane.console.fields import NEEDED, DateField, DaysField, SearchField, TimeOfDayField, show_chosen
from control_plane.console.filters import ChoiceFilter, ObjectFilter
from control_plane.console.sessions import principal_of
from control_plane.console.views import lookups
from control_plane.console.views.base import ConsoleView, identifier
from control_plane.errors import FieldProblem, Invalid
from control_plane.events import Actor
from control_plane.fleet.schedules import (
    NewSchedule,
    ScheduleChange,
    change_schedule,
    create_schedule,
    delete_schedule,
    find_schedule,
)
from control_plane.fleet.visibility import check_camera
from control_plane.models import Camera, Client, ClientCamera, Schedule
from control_plane.security.principals import UNLIMITED

_TYPES = {
    ScheduleType.DAILY: "Every day",
    ScheduleType.WEEKLY: "On some days of the week",
    ScheduleType.ONCE: "Once",
    ScheduleType.CONTINUOUS: "All the time",
}
_PREVIEW = 7
_PREVIEW_SPAN = timedelta(days=366)


class ScheduleForm(Form):
    """A schedule."""

    name = StringField("Name", [NEEDED])
    camera_id = SearchField(
        "Camera", lookup="camera_id", validators=[NEEDED], description="Type a part of its name, or of its site's."
    )
    is_active = BooleanField("Active", default=True)
    schedule_type = SelectField(
        "Records", choices=[(str(kind), text) for kind, text in _TYPES.items()], default=str(ScheduleType.DAILY)
    )
    days_of_week = DaysField("On", choices=[(str(day), day.capitalize()[:3]) for day in Weekday])
    start_time = TimeOfDayField("From")
    end_time = TimeOfDayField("To", description="At or before the start it is meant on the next day.")
    start_date = DateField("First day")
    end_date = DateField("Last day")
    segment_seconds = IntegerField(
        "Length of a segment", default=60, description="Seconds. Footage is cut at keyframes."
    )


_SECTIONS = (
    ("Schedule", "", ("name", "camera_id", "is_active")),
    ("When", "", ("schedule_type", "days_of_week", "start_time", "end_time", "start_date", "end_date")),
    ("Footage", "", ("segment_seconds",)),
)


class ScheduleView(ConsoleView, model=Schedule):
    """Schedules."""

    name = "Recording schedule"
    name_plural = "Recording Schedules"
    category = "CCTV"
    icon = "ti ti-calendar-time"
    explanation = "When each camera is recorded, in the wall-clock time of its site."
    form_class = ScheduleForm
    form_template = "console/schedule_form.html"
    empty_text = "There are no schedules yet: nothing is recorded. A schedule belongs to a camera."
    lookups = {"camera_id": lookups.cameras}

    column_list = ["name", "camera", "when", "zone", "next", "is_active"]
    column_details_list = [
        "name",
        "camera",
        "when",
        "zone",
        "segment_seconds",
        "is_active",
        "created_at",
        "updated_at",
        "id",
    ]
    column_labels = {
        "name": "Name",
        "camera": "Camera",
        "when": "Records",
        "zone": "Time zone",
        "next": "Next",
        "segment_seconds": "Seconds a segment",
        "is_active": "Active",
        "created_at": "Created",
        "updated_at": "Last changed",
        "id": "Schedule id",
    }
    column_searchable_list = ["name"]
    column_sortable_list = ["name"]
    column_default_sort = "name"
    details_template = "console/schedule.html"
    console_filters = (
        ChoiceFilter(
            "type", "Records", {str(k): v for k, v in _TYPES.items()}, lambda value: Schedule.schedule_type == value
        ),
        ChoiceFilter(
            "active",
            "Active",
            {"yes": "Active", "no": "Inactive"},
            lambda value: Schedule.is_active == (value == "yes"),
        ),
        ObjectFilter("camera", "Camera", lambda value: Schedule.camera_id == value, lambda s, id_: s.get(Camera, id_)),
        ObjectFilter(
            "client",
            "Recorder",
            lambda value: Schedule.camera_id.in_(select(ClientCamera.camera_id).where(ClientCamera.client_id == value)),
            lambda s, id_: s.get(Client, id_),
        ),
    )
    column_formatters: ClassVar[Any] = {
        "when": lambda schedule, _: summary(schedule),
        "zone": lambda schedule, _: schedule.camera.site.timezone,
        "next": lambda schedule, _: _next(schedule, datetime.now(UTC)),
    }
    column_formatters_detail: ClassVar[Any] = column_formatters | {
        "created_at": lambda schedule, _: display.moment(schedule.created_at, schedule.camera.site.timezone),
        "updated_at": lambda schedule, _: display.moment(schedule.updated_at, schedule.camera.site.timezone),
    }

    def base_query(self) -> Select[Any]:
        """Schedules with their camera and its site."""
        return select(Schedule).options(joinedload(Schedule.camera).joinedload(Camera.site))

    async def details_context(self, request: Request) -> dict[str, Any]:
        """The windows that come next."""
        schedule = request.state.row
        return {"windows": _windows(schedule, datetime.now(UTC), _PREVIEW), "zone": schedule.camera.site.timezone}

    async def form_for(self, request: Request, obj: Any) -> Form:
        """The form with the chosen camera."""
        form = await super().form_for(request, obj)
        camera_id = identifier(str(form["camera_id"].data or request.query_params.get("camera", "")))
        request.state.zone = ""
        if camera_id:
            async with self.services.sessions() as session:
                camera = await session.get(Camera, camera_id, options=[joinedload(Camera.site)])
            if camera is not None and principal_of(request).sees(camera.site_id):
                text = f"{camera.name} – {lookups.site_label(camera.site)}"
                show_chosen(form, "camera_id", [(str(camera.id), text)])
                form["camera_id"].data = str(camera.id)
                request.state.zone = camera.site.timezone
        return form

    def initial(self, obj: Any) -> dict[str, Any]:
        """The form's values."""
        return {name: getattr(obj, name) for name in ScheduleChange.model_fields} | {"camera_id": str(obj.camera_id)}

    async def form_context(self, request: Request, obj: Any) -> dict[str, Any]:
        """The form's parts, and the zone that its times are meant in."""
        return {"sections": _SECTIONS, "zone": request.state.zone, "form_kind": "schedule"}

    async def create(self, session: AsyncSession, form: Form, actor: Actor, request: Request) -> Schedule:
        """Make a schedule."""
        new = NewSchedule.of(values_of(form))
        await check_camera(session, principal_of(request), new.camera_id)
        return await create_schedule(session, new, actor=actor)

    async def change(self, session: AsyncSession, obj: Any, form: Form, actor: Actor, request: Request) -> Schedule:
        """Change the schedule."""
        caller, change = principal_of(request), ScheduleChange.of(values_of(form))
        schedule = await find_schedule(session, obj.id, seen_by=caller, for_change=True)
        await check_camera(session, caller, change.camera_id)
        return await change_schedule(session, schedule, change, actor=actor)

    async def remove(self, session: AsyncSession, obj: Any, actor: Actor) -> None:
        """Delete the schedule."""
        schedule = await find_schedule(session, obj.id, seen_by=UNLIMITED, for_change=True)
        await delete_schedule(session, schedule, actor=actor)


def summary(schedule: Schedule) -> str:
    """The rule in a few words: `Mon, Wed 20:00:00-06:00:00 (next day), from 2026-03-01`."""
    times = f"{schedule.start_time:%H:%M:%S}–{schedule.end_time:%H:%M:%S}"
    if schedule.end_time <= schedule.start_time and schedule.schedule_type is not ScheduleType.ONCE:
        times += " (next day)"
    match schedule.schedule_type:
        case ScheduleType.CONTINUOUS:
            text = "All the time"
        case ScheduleType.WEEKLY:
            text = f"{', '.join(day.capitalize()[:3] for day in schedule.days_of_week)} {times}"
        case ScheduleType.ONCE:
            last = schedule.end_date if schedule.end_date and schedule.end_date != schedule.start_date else ""
            return f"Once, {schedule.start_date} {schedule.start_time:%H:%M:%S} to {last} {schedule.end_time:%H:%M:%S}"
        case _:
            text = f"Every day {times}"
    if schedule.start_date:
        text += f", from {schedule.start_date}"
    return text + (f", until {schedule.end_date}" if schedule.end_date else "")


def rule_of(schedule: Schedule) -> ScheduleRule:
    """The schedule as the contract's functions take it."""
    return ScheduleRule.model_validate({name: getattr(schedule, name) for name in ScheduleRule.model_fields})


def _windows(schedule: Schedule, now: datetime, count: int) -> list[Window]:
    zone = display.zone_or_utc(schedule.camera.site.timezone)
    ahead = Interval(start=now, end=now + _PREVIEW_SPAN)
    return list(islice(windows(rule_of(schedule), zone, ahead), count))


def _next(schedule: Schedule, now: datetime) -> Any:
    coming = _windows(schedule, now, 1)
    if not coming:
        return display.nothing()
    if coming[0].start <= now:
        return display.dot("due now", "green")
    return display.moment(coming[0].start, schedule.camera.site.timezone)


def values_of(form: Form) -> dict[str, Any]:
    """What was filled in. Empty times are left out where the type needs none, and asked for where it does."""
    values: dict[str, Any] = form.data | {"days_of_week": form.data["days_of_week"] or []}
    for name in ("start_date", "end_date"):
        values[name] = values[name] or None
    missing = [name for name in ("start_time", "end_time") if not values[name]]
    if missing and values["schedule_type"] != ScheduleType.CONTINUOUS:
        raise Invalid.of(FieldProblem(name, "is needed, as in 20:00:00") for name in missing)
    return {name: value for name, value in values.items() if name not in missing}
