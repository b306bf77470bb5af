"""Registering recordings: what is accepted of whom, and that repeating it makes nothing twice."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from uuid_utils.compat import uuid7

from tests.control_plane.local_client.sites import Place, Recorder


def parameters(camera_id: object, **more: str) -> dict[str, str]:
    return {"camera_id": str(camera_id), "schedule_id": "", "recording_name": "Yard"} | more


async def test_an_unknown_camera_is_404(recorder: Recorder) -> None:
    response = await recorder.post("recordings/register", params=parameters(uuid.uuid4()))
    assert response.status_code == 404


async def test_an_inactive_camera_is_404_and_one_of_another_mode_403(place: Place, recorder: Recorder) -> None:
    for fields, status in (({"is_active": False}, 404), ({"recording_mode": "backend"}, 403)):
        camera_id = await place.camera(**fields)
        await place.assign(recorder, camera_id)
        response = await recorder.post("recordings/register", params=parameters(camera_id))
        assert response.status_code == status


async def test_another_recorders_camera_is_403(camera_id: uuid.UUID, stranger: Recorder) -> None:
    response = await stranger.post("recordings/register", params=parameters(camera_id))
    assert response.status_code == 403


async def test_an_unknown_schedule_or_another_cameras_is_ignored(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    strange = await place.schedule(await place.camera("Elsewhere"))
    for schedule_id in (strange, uuid.uuid4()):
        await recorder.register(camera_id, schedule_id=str(schedule_id), recording_name=str(schedule_id))
    rows = await place.rows("SELECT schedule_id FROM recordings")
    assert [row["schedule_id"] for row in rows] == [None, None]


@pytest.mark.parametrize("with_schedule", [True, False])
async def test_a_predecessors_repeats_are_one_recording_even_all_at_once(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, with_schedule: bool
) -> None:
    schedule_id = str(await place.schedule(camera_id)) if with_schedule else ""
    ids = await asyncio.gather(*(recorder.register(camera_id, schedule_id=schedule_id) for _ in range(12)))
    assert len(set(ids)) == 1
    assert (await place.row("SELECT count(*) AS n, min(status) AS status FROM recordings")) == {
        "n": 1,
        "status": "scheduled",
    }


async def test_a_recording_without_a_name_is_called_like_its_camera_and_a_repeat_is_known(
    place: Place, recorder: Recorder
) -> None:
    camera_id = await place.camera("Back door")
    await place.assign(recorder, camera_id)
    unnamed = {"camera_id": str(camera_id)}
    answers = [
        await recorder.post("recordings/register", params=query)
        for query in (unnamed, unnamed | {"recording_name": ""})
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert (await place.row("SELECT name FROM recordings"))["name"] == "Back door"


@pytest.mark.parametrize("difference", ["name", "schedule", "started", "old"])
async def test_what_is_no_repeat_is_a_new_recording_and_interrupts_the_open_one(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, difference: str
) -> None:
    first = await recorder.register(camera_id)
    more = {}
    match difference:
        case "name":
            more = {"recording_name": "Another"}
        case "schedule":
            more = {"schedule_id": str(await place.schedule(camera_id))}
        case "started":
            await recorder.report(first, "recording")
        case "old":
            await place.rows("UPDATE recordings SET created_at = now() - interval '181 seconds'")
    second = await recorder.register(camera_id, **more)
    assert second != first
    earlier = await place.row("SELECT * FROM recordings WHERE id = :id", id=first)
    assert (earlier["status"], earlier["error_code"]) == ("failed", "interrupted")
    assert earlier["ended_at"] is not None
    assert (await place.row("SELECT status FROM recordings WHERE id = :id", id=second))["status"] == "scheduled"

    # Its upload was slow; the file is there all the same.
    await recorder.report(first, "completed", gcp_path="recordings/a.mp4")
    late = await place.row("SELECT * FROM recordings WHERE id = :id", id=first)
    assert (late["status"], late["error_code"], late["gcp_path"]) == ("completed", None, "recordings/a.mp4")


async def test_only_the_same_cameras_recording_of_the_same_client_is_interrupted(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    other_camera = await place.camera("Gate")
    await place.assign(recorder, other_camera)
    await place.assign(stranger, camera_id)
    untouched = [await recorder.register(other_camera), await stranger.register(camera_id)]
    await recorder.register(camera_id)
    await recorder.register(camera_id, recording_name="Again")
    rows = await place.rows("SELECT status FROM recordings WHERE id = ANY(:ids)", ids=untouched)
    assert [row["status"] for row in rows] == ["scheduled", "scheduled"]


async def test_a_recorders_own_id_is_kept_and_its_repeat_returns_it(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    own = uuid7()
    started_at = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
    more = {"recording_id": str(own), "started_at": started_at.isoformat()}
    assert set(await asyncio.gather(*(recorder.register(camera_id, **more) for _ in range(6)))) == {own}
    await recorder.report(own, "completed")
    assert await recorder.register(camera_id, **more) == own
    row = await place.row("SELECT status, started_at FROM recordings")
    assert row == {"status": "completed", "started_at": started_at}


async def test_our_recorders_next_recording_leaves_the_one_before_to_its_own_report(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    first = await recorder.register(camera_id, recording_id=str(uuid7()))
    await recorder.register(camera_id, recording_id=str(uuid7()))
    assert (await place.row("SELECT status FROM recordings WHERE id = :id", id=first))["status"] == "scheduled"


async def test_anothers_recording_can_be_neither_registered_nor_reported(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    await place.assign(stranger, camera_id)
    theirs = await recorder.register(camera_id)
    response = await stranger.post("recordings/register", params=parameters(camera_id, recording_id=str(theirs)))
    assert response.status_code == 404
    bodies = [{"recording_id": str(id_), "status": "completed"} for id_ in (theirs, uuid.uuid4())]
    answers = [await stranger.post("recordings/status", json=body) for body in bodies]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()
    assert (await place.row("SELECT status FROM recordings"))["status"] == "scheduled"


async def test_an_id_that_was_used_for_another_camera_is_409(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    own = await recorder.register(camera_id, recording_id=str(uuid7()))
    other = await place.camera("Gate")
    await place.assign(recorder, other)
    response = await recorder.post("recordings/register", params=parameters(other, recording_id=str(own)))
    assert response.status_code == 409


@pytest.mark.parametrize("change", ["is_active = false", "recording_mode = 'backend'"])
async def test_what_was_recorded_under_a_cached_configuration_is_accepted(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, change: str
) -> None:
    await place.rows(f"UPDATE cameras SET {change}, updated_at = now()")  # noqa: S608 - from the list above
    now = datetime.now(UTC)
    for started_at, status in (
        (now - timedelta(hours=1), 200),
        (now + timedelta(minutes=1), 403 if "mode" in change else 404),
    ):
        more = {"recording_id": str(uuid7()), "started_at": started_at.isoformat()}
        response = await recorder.post("recordings/register", params=parameters(camera_id, **more))
        assert response.status_code == status
    # A predecessor has no such memory.
    response = await recorder.post("recordings/register", params=parameters(camera_id))
    assert response.status_code in {403, 404}


async def test_reports_that_cross_on_the_way_end_as_completed(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    recording_id = await recorder.register(camera_id)
    told = ["recording", "completed", "failed", "scheduled", "recording", "stopped"] * 3
    await asyncio.gather(*(recorder.report(recording_id, status, frames_recorded=9) for status in told))
    row = await place.row("SELECT status, frames_recorded FROM recordings")
    assert row == {"status": "completed", "frames_recorded": 9}
