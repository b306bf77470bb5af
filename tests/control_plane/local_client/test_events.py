"""What recorders report of cameras' pictures."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.control_plane.local_client.sites import Place, Recorder
from tests.control_plane.local_client.statements import counted_statements

BEGIN = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


def scene(camera: uuid.UUID, number: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "id": str(uuid7()),
        "camera_id": str(camera),
        "kind": "covered",
        "begin": (BEGIN + timedelta(minutes=number)).isoformat(),
        "usual": {"keyframe_bytes": 96400, "delta_bytes": 5210.5},
        "seen": {"keyframe_bytes": 4120, "delta_bytes": 88.0},
    } | more


async def verdicts(recorder: Recorder, *events: dict[str, Any]) -> list[str]:
    response = await recorder.post("events", json={"events": events})
    assert response.status_code == 200, response.text
    answers = response.json()["events"]
    assert [answer["id"] for answer in answers] == [one["id"] for one in events]
    return [answer["verdict"] for answer in answers]


async def stored(place: Place) -> list[Any]:
    return await place.rows("SELECT * FROM events WHERE kind LIKE 'scene.%' ORDER BY occurred_at")


async def test_an_event_is_told_when_it_begins_and_when_it_is_over_and_stays_one(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    told = scene(camera_id)
    over = told | {"end": (BEGIN + timedelta(minutes=3)).isoformat()}
    assert await verdicts(recorder, told, told) == ["stored", "stored"]
    assert await verdicts(recorder, over) == ["stored"]
    assert await verdicts(recorder, told) == ["stored"], "its beginning, repeated late, changes nothing"
    (row,) = await stored(place)
    assert (row["subject_id"], row["occurred_at"], row["kind"], row["actor"], row["subject_type"]) == (
        camera_id,
        BEGIN,
        "scene.covered",
        f"client:{recorder.id}",
        "camera",
    )
    assert "2026-03-01T20:03:00Z" in str(row["detail"])
    assert "4120" in str(row["detail"])


async def test_each_event_is_answered_by_itself(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    elsewhere = await place.camera("Elsewhere")
    early = datetime(1970, 1, 1, tzinfo=UTC).isoformat()
    batch = [
        scene(camera_id),
        scene(elsewhere),
        scene(uuid7()),
        scene(camera_id, begin=early),
        scene(camera_id, end=early),
        scene(camera_id, kind="Not A Kind"),
        scene(camera_id, seen={"keyframe_bytes": "many"}),
        scene(camera_id, 1, kind="of_a_newer_recorder"),
    ]
    assert await verdicts(recorder, *batch) == ["stored", *["refused"] * 6, "stored"]
    assert await verdicts(stranger, batch[0]) == ["refused"]
    await place.assign(stranger, camera_id)
    assert await verdicts(stranger, batch[0] | {"seen": {}}) == ["refused"], "another's stays another's"
    assert [row["kind"] for row in await stored(place)] == ["scene.covered", "scene.of_a_newer_recorder"]


async def test_an_event_can_not_pass_for_a_change_that_somebody_made(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    assert await verdicts(recorder, scene(camera_id, kind="changed")) == ["stored"]
    assert await verdicts(recorder, scene(camera_id, kind="camera.changed")) == ["refused"]
    assert [row["kind"] for row in await stored(place)] == ["scene.changed"]


async def test_five_hundred_cost_as_many_statements_as_one(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    with counted_statements(place.service.services.engine) as statements:
        assert await verdicts(recorder, *(scene(camera_id, number) for number in range(500))) == ["stored"] * 500
    assert len(statements) <= 3


@pytest.mark.parametrize("body", [{}, {"events": None}, {"events": {}}, {"events": [{}] * 501}])
async def test_what_is_no_batch_is_422(recorder: Recorder, body: Any) -> None:
    assert (await recorder.post("events", json=body)).status_code == 422


async def test_what_a_recorder_tells_of_itself_is_its_own_event(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    told = scene(camera_id, kind="footage_at_risk", camera_id=None, usual={}, seen={"loss_in_seconds": 86400.0})
    over = told | {"end": (BEGIN + timedelta(hours=3)).isoformat()}
    assert await verdicts(recorder, told) == ["stored"]
    assert await verdicts(recorder, over) == ["stored"]
    (row,) = await place.rows("SELECT * FROM events WHERE kind LIKE 'recorder.%'")
    assert (row["subject_id"], row["subject_type"], row["kind"]) == (
        recorder.id,
        "client",
        "recorder.footage_at_risk",
    )
    assert "2026-03-01T23:00:00Z" in str(row["detail"])
    assert await stored(place) == []


async def test_a_heartbeat_tells_how_far_a_fetch_is(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    fetch_id = uuid7()
    await place.rows(
        "INSERT INTO fetches (id, client_id, camera_id, start_at, end_at, asked_by, expires_at) VALUES"
        " (:id, :client, :camera, now() - interval '1 hour', now(), 'operator:ada', now() + interval '1 day')"
        " RETURNING id",
        id=fetch_id,
        client=recorder.id,
        camera=camera_id,
    )
    (asked,) = (await recorder.get("config")).json()["uploading"]["fetches"]
    assert asked["id"] == str(fetch_id)
    for segments, ended in ((3, False), (0, True)):
        progress = [{"id": str(fetch_id), "segments": segments, "bytes": segments * 1000}]
        response = await recorder.post("heartbeat", json={"fetches": progress})
        assert response.status_code == 200, response.text
        row = await place.row("SELECT * FROM fetches")
        assert row["segments_left"] == segments
        assert (row["ended_at"] is not None) is ended
    assert (await recorder.get("config")).json()["uploading"]["fetches"] == []
