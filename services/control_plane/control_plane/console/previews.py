"""The preview beside a schedule's form: what it would record in the next 14 days, and what saving it would change."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqladmin.authentication import login_required
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from control_plane.console import display
from control_plane.console.roles import may
from control_plane.console.sessions import operator_of, principal_of
from control_plane.console.views.base import identifier
from control_plane.console.views.schedules import ScheduleForm, values_of
from control_plane.coverage.spans import Span, seconds
from control_plane.errors import Invalid
from control_plane.fleet.cameras import find_camera
from control_plane.fleet.previews import Effect
from control_plane.fleet.schedule_previews import Preview, PreviewedSchedule, preview
from control_plane.fleet.schedules import find_schedule
from control_plane.fleet.visibility import check_camera
from control_plane.security.principals import Principal

if TYPE_CHECKING:
    from control_plane.console.admin import Console

_MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Shown:
    """What starts or stops at one camera, for people."""

    camera: str
    is_stop: bool
    length: timedelta
    """Within the 14 days."""
    stretches: list[Span]
    """The first of them."""
    others: int


class SchedulePreviews:
    """A form that is sent here is looked at and not saved."""

    def __init__(self, console: "Console") -> None:
        self._console = console
        # `login_required` looks for it to find out how to log in.
        self._admin_ref = console

    @login_required
    async def preview(self, request: Request) -> Response:
        """A piece of a page."""
        role = operator_of(request).role
        if not (may(role, "schedule", "create") or may(role, "schedule", "edit")):
            raise HTTPException(403)
        form = ScheduleForm(await request.form())
        caller, now = principal_of(request), datetime.now(UTC)
        try:
            async with self._console.services.sessions() as session:
                values = {name: value for name, value in values_of(form).items() if name != "name"}
                asked = PreviewedSchedule.of(values)
                old_id = identifier(request.query_params.get("schedule", ""))
                old = await find_schedule(session, old_id, seen_by=caller) if old_id else None
                await check_camera(session, caller, asked.camera_id)
                found = await preview(session, asked, old, now)
                context = {"preview": found, "now": now, "effects": await _effects(session, caller, found)}
        except Invalid as error:
            problem = error.problems[0]
            context = {"problem": problem, "label": form[problem.field].label.text if problem.field in form else ""}
        return await self._console.templates.TemplateResponse(request, "console/preview.html", context)


async def _effects(session: AsyncSession, caller: Principal, found: Preview) -> list[Shown]:
    shown = []
    for effect in found.effects:
        name = str(await find_camera(session, effect.camera_id, seen_by=caller))
        shown += [_shown(name, effect, is_stop=is_stop) for is_stop in (True, False)]
    return [one for one in shown if one.stretches]


def _shown(camera: str, effect: Effect, *, is_stop: bool) -> Shown:
    spans = effect.stops if is_stop else effect.starts
    first = list(spans[:_MOST_SHOWN])
    return Shown(camera, is_stop, timedelta(seconds=seconds(spans)), first, len(spans) - len(first))


def clock_change(longer_by: timedelta) -> str:
    """`1 h shorter: the clock is put forward`; empty for an ordinary window."""
    if not longer_by:
        return ""
    how = "longer: the clock is put back" if longer_by > timedelta(0) else "shorter: the clock is put forward"
    return f"{display.duration(abs(longer_by))} {how}"
