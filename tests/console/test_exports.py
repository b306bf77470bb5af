"""Exporting a recording from its page."""

import hashlib
import io
import json
import uuid
import zipfile
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import select
from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Event, Recording, Role
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, text_of
from tests.control_plane.custody.chained import START, Scene

LogIn = Callable[[Role], Awaitable[Visitor]]


async def recorded(fleet: Fleet, services: Services, segments: int) -> uuid.UUID:
    recording = Recording(
        id=uuid7(),
        client_id=fleet.client,
        camera_id=fleet.camera,
        name="Night",
        status=RecordingStatus.COMPLETED,
        started_at=START,
        ended_at=START + timedelta(hours=1),
    )
    async with services.sessions.begin() as session:
        session.add(recording)
    await Scene(services, fleet.client, fleet.camera, recording.id).sealed(segments)
    return recording.id


async def test_an_operator_downloads_a_recording_with_its_manifest(
    as_role: LogIn, fleet: Fleet, services: Services
) -> None:
    operator, recording = await as_role(Role.OPERATOR), await recorded(fleet, services, 3)
    assert "Export" in text_of(await operator.get(f"/recording/details/{recording}"))
    answer = await operator.post(f"/recording/{recording}/export")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        manifest = archive.read(next(name for name in archive.namelist() if name.endswith("/manifest.json")))
    assert len(json.loads(manifest)["segments"]) == 3
    async with services.sessions() as session:
        event = (await session.scalars(select(Event).where(Event.kind == "camera.exported"))).one()
    assert event.detail["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()


async def test_a_viewer_exports_nothing(as_role: LogIn, fleet: Fleet, services: Services) -> None:
    viewer, recording = await as_role(Role.VIEWER), await recorded(fleet, services, 1)
    assert "Export" not in text_of(await viewer.get(f"/recording/details/{recording}"))
    assert (await viewer.post(f"/recording/{recording}/export")).status_code == 403


async def test_a_recording_without_segments_says_so(as_role: LogIn, fleet: Fleet, services: Services) -> None:
    operator, recording = await as_role(Role.OPERATOR), await recorded(fleet, services, 0)
    answer = await operator.post(f"/recording/{recording}/export")
    assert answer.status_code == 303
    assert "Nothing was exported" in text_of(await operator.get(f"/recording/details/{recording}"))
