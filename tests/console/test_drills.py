"""Drills in the console: the last one on the overview, all of them on a page, and what could not be restored."""

import uuid
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from control_plane.models import Drill
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.visitor import Visitor, text_of

RECORDING = uuid.UUID(int=7)


async def drilled(services: Services, fleet: Fleet, *, failed: bool, is_demuxed: bool = True) -> uuid.UUID:
    failure = {
        "segment_id": str(uuid.UUID(int=9)),
        "camera_id": str(fleet.camera),
        "recording_id": str(RECORDING),
        "started_at": "2026-03-01T20:00:00+00:00",
        "object_name": "cameras/<b>1</b>.mp4",
        "fault": "unreadable",
        "detail": "InvalidDataError: <script>",
    }
    now = datetime.now(UTC)
    done = Drill(
        id=uuid7(),
        began_at=now - timedelta(seconds=12),
        ended_at=now,
        actor="control-plane",
        asked=20,
        sampled=20,
        restorable=19 if failed else 20,
        size_bytes=150_000_000,
        is_demuxed=is_demuxed,
        failures=[failure] if failed else [],
    )
    async with services.sessions.begin() as session:
        session.add(done)
    return done.id


async def test_the_overview_shows_the_last_drill(admin: Visitor, services: Services, fleet: Fleet) -> None:
    assert "Restore drill There was none yet." in text_of(await admin.get("/"))
    await drilled(services, fleet, failed=True)
    done = await drilled(services, fleet, failed=False, is_demuxed=False)
    page = await admin.get("/")
    assert "20 of 20 restorable" in text_of(page)
    assert "checksums only" in text_of(page)
    assert f"/admin/drill/details/{done}" in page.text


async def test_each_drill_has_a_page_with_what_failed(admin: Visitor, services: Services, fleet: Fleet) -> None:
    failed = await drilled(services, fleet, failed=True)
    await drilled(services, fleet, failed=False)
    listed = text_of(await admin.get("/drill/list"))
    assert "19 of 20 restorable" in listed
    assert "<time" not in listed
    assert "restorable" not in text_of(await admin.get("/drill/list", search="Yard")), "these are of all cameras"
    assert "20 of 20 restorable" in listed
    assert "20 of 20 restorable" not in text_of(await admin.get("/drill/list", failed="yes"))
    page = (await admin.get(f"/drill/details/{failed}")).text
    assert "InvalidDataError: &lt;script&gt;" in page
    assert "<script>" not in page.split('id="failures"')[1].split("</table>")[0]
    assert f"/admin/recording/details/{RECORDING}" in page
