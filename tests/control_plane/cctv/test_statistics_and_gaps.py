"""What was recorded, counted; and what was not, listed."""

from datetime import timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Gap, Recording
from control_plane.services import Services
from tests.control_plane.cctv.footage import NOW, Footage
from tests.control_plane.cctv.scripts import Script

HOUR = timedelta(hours=1)


async def a_fleet(admin: Script, services: Services) -> tuple[Any, Any, Recording]:
    site = await admin.site()
    camera, other = await admin.camera(site), await admin.camera(site)
    client, footage = await admin.client(site, camera, other), Footage(services)
    done = {"status": RecordingStatus.COMPLETED, "file_size": 1000, "frames_recorded": 25}
    first = await footage.recording(client, camera, started_at=NOW - 5 * HOUR, ended_at=NOW - 4 * HOUR, **done)
    await footage.recording(client, camera, started_at=NOW - 3 * HOUR, ended_at=NOW - 2 * HOUR, held_at=NOW, **done)
    failed = {"status": RecordingStatus.FAILED, "ended_at": NOW - 2 * HOUR}
    await footage.recording(client, other, started_at=NOW - 2 * HOUR, **failed)
    await footage.recording(client, other, started_at=NOW - timedelta(days=30), ended_at=NOW, **done)
    return camera, other, first


async def test_recordings_are_counted_by_state(admin: Script, viewer: Script, services: Services) -> None:
    camera, other, _ = await a_fleet(admin, services)
    counted = await viewer.get("recordings/statistics/")
    assert (counted["recordings"], counted["cameras"]) == (3, 2)
    assert counted["by_status"]["completed"] == {
        "recordings": 2,
        "seconds": 7200.0,
        "size_bytes": 2000,
        "frames": 50,
        "held": 1,
    }
    assert counted["by_status"]["failed"]["recordings"] == 1
    assert (await viewer.get("recordings/statistics/", camera_id=camera["id"]))["recordings"] == 2
    since = (NOW - timedelta(days=31)).isoformat()
    assert (await viewer.get("recordings/statistics/", camera_id=other["id"], started_after=since))["recordings"] == 2


@pytest.mark.parametrize(
    ("after", "before", "field"),
    [
        ("2026-03-02T00:00:00Z", "2026-03-01T00:00:00Z", "started_before"),
        ("2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", "started_after"),
        (None, "0001-01-02T00:00:00Z", "started_before"),
    ],
)
async def test_a_period_that_is_none_or_too_long_is_refused(
    viewer: Script, after: str | None, before: str, field: str
) -> None:
    parameters = {"started_before": before} | ({"started_after": after} if after else {})
    answer = await viewer.call("GET", "recordings/statistics/", params=parameters)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"][0]["loc"][-1] == field


async def test_gaps_are_listed_and_filtered(admin: Script, viewer: Script, services: Services) -> None:
    camera, other, recording = await a_fleet(admin, services)
    causes = [GapCause.CAMERA_UNREACHABLE, GapCause.STREAM_STALLED, GapCause.CAMERA_UNREACHABLE]
    gaps = [
        Gap(
            id=uuid7(),
            camera_id=recording.camera_id,
            client_id=recording.client_id,
            recording_id=recording.id,
            started_at=NOW - 5 * HOUR + timedelta(minutes=number),
            ended_at=NOW - 5 * HOUR + timedelta(minutes=number, seconds=12),
            cause=cause,
            detail="no route",
        )
        for number, cause in enumerate(causes)
    ]
    ids = [str(gap.id) for gap in reversed(gaps)]
    async with services.sessions.begin() as session:
        session.add_all(gaps)
    found = await viewer.all("gaps/", limit=2)
    assert [gap["id"] for gap in found] == ids
    assert {gap["seconds"] for gap in found} == {12.0}
    assert [gap["id"] for gap in await viewer.all("gaps/", cause="stream_stalled")] == ids[1:2]
    assert [gap["id"] for gap in await viewer.all("gaps/", camera_id=camera["id"])] == ids
    assert await viewer.all("gaps/", camera_id=other["id"]) == []
    later = (NOW - 5 * HOUR + timedelta(minutes=2)).isoformat()
    assert [gap["id"] for gap in await viewer.all("gaps/", started_after=later)] == ids[:1]
