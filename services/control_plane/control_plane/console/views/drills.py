"""Restore drills in the console: how much of what is stored could be had back."""

from typing import Any, ClassVar

from markupsafe import Markup
from sqlalchemy import Select, select
from sqlalchemy.orm import joinedload

from control_plane.console import display
from control_plane.console.filters import ChoiceFilter
from control_plane.console.views.keyset import KeysetView
from control_plane.drills.published import share
from control_plane.models import Camera, Drill


class DrillView(KeysetView, model=Drill):
    """Drills."""

    name = "Drill"
    name_plural = "Restore drills"
    category = "CCTV"
    icon = "ti ti-lifebuoy"
    explanation = (
        "Once a day some stored segments, drawn at random, are fetched and read to their end: size, checksums, "
        "every packet. Newest first."
    )
    empty_text = (
        "There was none yet: the first is done within an hour of the first stored segment, unless DRILL_SAMPLES=0."
    )
    details_template = "console/drill.html"
    key = (Drill.ended_at, Drill.id)

    column_list = ["ended_at", "restorable", "camera", "since", "size_bytes", "read"]
    column_details_list = [
        "ended_at",
        "length",
        "restorable",
        "asked",
        "camera",
        "since",
        "size_bytes",
        "read",
        "actor",
        "id",
    ]
    column_labels = {
        "ended_at": "Done",
        "length": "Took",
        "restorable": "Result",
        "asked": "Segments wanted",
        "camera": "Camera",
        "since": "Recorded since",
        "size_bytes": "Size",
        "read": "How",
        "actor": "Who",
        "id": "Drill id",
    }
    console_filters = (
        ChoiceFilter("failed", "Failures", {"yes": "With failures"}, lambda _: Drill.restorable < Drill.sampled),
    )
    column_formatters: ClassVar[Any] = {
        "ended_at": lambda drill, _: display.moment(drill.ended_at),
        "length": lambda drill, _: display.seconds(drill.ended_at - drill.began_at),
        "restorable": lambda drill, _: result(drill),
        "camera": lambda drill, _: drill.camera.name if drill.camera else "all",
        "since": lambda drill, _: display.moment(drill.since) if drill.since else display.nothing(),
        "size_bytes": lambda drill, _: display.size(drill.size_bytes),
        "read": lambda drill, _: how(drill),
    }
    column_formatters_detail = column_formatters

    def base_query(self) -> Select[Any]:
        """Drills with the camera, where they are about one."""
        return select(Drill).options(joinedload(Drill.camera))

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """Drills of cameras whose name contains the term."""
        named = select(Camera.id).where(Camera.name.icontains(term[:200].strip(), autoescape=True))
        return stmt.where(Drill.camera_id.in_(named))

    def search_placeholder(self) -> str:
        """What is searched."""
        return "camera"


def result(drill: Drill) -> Markup:
    """How many of how many, in words and a colour."""
    if not drill.sampled:
        return display.badge(share(drill), "secondary")
    return display.badge(share(drill), "red" if drill.failures else "green")


def how(drill: Drill) -> str:
    """What was done with each sample."""
    return "checksums, every packet" if drill.is_demuxed else "checksums only"
