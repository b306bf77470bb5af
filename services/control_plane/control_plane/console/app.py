"""The console, put into the service's application."""

from fastapi import FastAPI

from control_plane.console.admin import Console
from control_plane.console.views.api_keys import ApiKeyView
from control_plane.console.views.cameras import CameraView
from control_plane.console.views.clients import ClientView
from control_plane.console.views.commands import CommandView
from control_plane.console.views.drills import DrillView
from control_plane.console.views.events import EventView
from control_plane.console.views.operators import OperatorView
from control_plane.console.views.recordings import RecordingView
from control_plane.console.views.schedules import ScheduleView
from control_plane.console.views.sites import SiteView
from control_plane.console.views.troubles import TroubleView
from control_plane.services import Services


def attach(app: FastAPI, services: Services) -> Console:
    """Mount the console at `/admin/`."""
    console = Console(app, services)
    for view in (
        ClientView,
        CameraView,
        ScheduleView,
        RecordingView,
        TroubleView,
        SiteView,
        CommandView,
        DrillView,
        OperatorView,
        ApiKeyView,
        EventView,
    ):
        console.add_view(view)
    return console
