"""Commands in the console: what recorders were asked, and what came of it."""

from datetime import UTC, datetime
from typing import Any, ClassVar

from markupsafe import Markup
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload
from starlette.requests import Request

from camfleet_contract.commands import CommandState
from control_plane.commands.states import is_open, state_of
from control_plane.console import display
from control_plane.console.asked import TITLES, found, state_badge, taken_at
from control_plane.console.filters import ChoiceFilter, ObjectFilter
from control_plane.console.views.keyset import KeysetView
from control_plane.models import Camera, Client, Command


class CommandView(KeysetView, model=Command):
    """Commands."""

    name = "Command"
    name_plural = "Commands"
    category = "CCTV"
    icon = "ti ti-terminal-2"
    explanation = "What recorders were asked from the pages of cameras and recorders, or by the API. Newest first."
    empty_text = "Nothing was asked yet: the pages of cameras and recorders have the buttons."
    details_template = "console/command.html"
    key = (Command.asked_at, Command.id)

    column_list = ["asked_at", "kind", "state", "camera", "client", "asked_by", "detail"]
    column_details_list = [
        "state",
        "camera",
        "client",
        "minutes",
        "asked_by",
        "asked_at",
        "accepted_at",
        "ended_at",
        "detail",
        "id",
    ]
    column_labels = {
        "asked_at": "Asked",
        "kind": "What",
        "state": "State",
        "camera": "Camera",
        "client": "Recorder",
        "asked_by": "Who",
        "detail": "Detail",
        "minutes": "Minutes",
        "accepted_at": "Taken",
        "ended_at": "Over",
        "id": "Command id",
    }
    console_filters = (
        ChoiceFilter("kind", "What", {str(kind): title for kind, title in TITLES.items()}, lambda v: Command.kind == v),
        ChoiceFilter("open", "State", {"yes": "Under way"}, lambda _: is_open()),
        ObjectFilter("camera", "Camera", lambda value: Command.camera_id == value, lambda s, id_: s.get(Camera, id_)),
        ObjectFilter("client", "Recorder", lambda value: Command.client_id == value, lambda s, id_: s.get(Client, id_)),
    )
    column_formatters: ClassVar[Any] = {
        "asked_at": lambda command, _: display.moment(command.asked_at, command.client.site.timezone),
        "kind": lambda command, _: TITLES[command.kind],
        "state": lambda command, _: _state(command),
        "asked_by": lambda command, _: command.asked_by.removeprefix("operator:").replace("api_key:", "API key "),
        "accepted_at": lambda command, _: display.moment(command.accepted_at, command.client.site.timezone),
        "ended_at": lambda command, _: display.moment(command.ended_at, command.client.site.timezone),
    }
    column_formatters_detail = column_formatters

    def base_query(self) -> Select[Any]:
        """Commands with their camera, recorder and site; neither pictures nor secrets are loaded."""
        return select(Command).options(joinedload(Command.client).joinedload(Client.site), joinedload(Command.camera))

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """Commands to recorders and cameras whose name contains the term."""
        words = term[:200].strip()
        named = [select(one.id).where(one.name.icontains(words, autoescape=True)) for one in (Client, Camera)]
        return stmt.where(Command.client_id.in_(named[0]) | Command.camera_id.in_(named[1]))

    def search_placeholder(self) -> str:
        """What is searched."""
        return "camera or recorder"

    async def details_context(self, request: Request) -> dict[str, Any]:
        """Its state, what came of it, and whether there is a picture to show."""
        command: Command = request.state.row
        now = datetime.now(UTC)
        state = state_of(command, now)
        return {
            "asked": TITLES[command.kind],
            "state": state,
            "waits": not state.is_over,
            "is_expired": state is CommandState.EXPIRED,
            "found": found(command),
            "recording_id": ((command.result or {}).get("recording") or {}).get("recording_id"),
            "has_picture": command.image_expires_at is not None and command.image_expires_at > now,
            "taken_at": taken_at(command),
        }


def _state(command: Command) -> Markup:
    return state_badge(state_of(command, datetime.now(UTC)))
