"""What recorders noticed in a camera's picture, on the camera's page and in the list of events."""

from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from camfleet_contract.events import Event
from control_plane.recordings.scene_events import take_in_events
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, text_of

USUAL, SEEN = {"keyframe_bytes": 96_400.0, "delta_bytes": 5210.5}, {"keyframe_bytes": 4120.0, "delta_bytes": 88.0}


async def test_a_cameras_page_says_what_was_noticed_since_when_and_why(
    fleet: Fleet, services: Services, admin: Visitor
) -> None:
    assert "Noticed in the picture" not in text_of(await admin.get(f"/camera/details/{fleet.camera}"))
    begin = datetime.now(UTC) - timedelta(hours=1)
    events = [
        Event(id=uuid7(), camera_id=fleet.camera, kind="covered", begin=begin, usual=USUAL, seen=SEEN),
        Event(
            id=uuid7(),
            camera_id=fleet.camera,
            kind="smart_codec",
            begin=begin - timedelta(hours=1),
            end=begin - timedelta(minutes=15),
            usual={"keyframe_seconds": 2},
            seen={"keyframe_seconds": 20.5},
        ),
        Event(id=uuid7(), camera_id=fleet.camera, kind="of_a_newer_recorder", begin=begin, end=begin),
    ]
    async with services.sessions.begin() as session:
        verdicts = await take_in_events(session, fleet.client, None, events)
    assert {verdict.verdict for verdict in verdicts} == {"stored"}
    page = text_of(await admin.get(f"/camera/details/{fleet.camera}"))
    assert "covered or dark" in page
    assert "still on keyframe 4.1 kB, delta 88 B; usually keyframe 96.4 kB, delta 5.2 kB" in page
    assert "45 min keyframe every 20.5 s; usually keyframe every 2 s" in page
    assert "of a newer recorder" in page
    listed = text_of(await admin.get("/event/list", subject=str(fleet.camera)))
    assert "scene covered" in listed
    assert "keyframe 4.1 kB, delta 88 B" in listed
