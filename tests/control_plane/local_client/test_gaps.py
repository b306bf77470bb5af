"""Gaps that recorders report."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.control_plane.local_client.sites import Place, Recorder
from tests.control_plane.local_client.statements import counted_statements

START = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)


def gap(camera_id: uuid.UUID, number: int = 0, **more: Any) -> dict[str, Any]:
    start = START + timedelta(minutes=number)
    return {
        "id": str(uuid7()),
        "camera_id": str(camera_id),
        "start": start.isoformat(),
        "end": (start + timedelta(seconds=30)).isoformat(),
        "cause": "camera_unreachable",
        "detail": "no route to host",
    } | more


async def verdicts(recorder: Recorder, *gaps: dict[str, Any]) -> list[str]:
    response = await recorder.post("gaps", json={"gaps": gaps})
    assert response.status_code == 200, response.text
    answers = response.json()["gaps"]
    assert [answer["id"] for answer in answers] == [one["id"] for one in gaps]
    return [answer["verdict"] for answer in answers]


async def test_a_gap_is_stored_once_however_often_it_is_told(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    told = gap(camera_id, schedule_id=str(uuid7()), recording_id=str(uuid7()))
    assert await verdicts(recorder, told, told) == ["stored", "stored"]
    assert await verdicts(recorder, told) == ["stored"]
    row = await place.row("SELECT * FROM gaps")
    assert (row["camera_id"], row["started_at"], row["cause"], row["client_id"], row["detail"]) == (
        camera_id,
        START,
        "camera_unreachable",
        recorder.id,
        "no route to host",
    )


async def test_a_gap_that_was_still_open_may_grow(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    told = gap(camera_id)
    await verdicts(recorder, told)
    end = START + timedelta(hours=1)
    before = (await place.row("SELECT reported_at FROM gaps"))["reported_at"]
    await verdicts(recorder, told | {"end": end.isoformat()})
    row = await place.row("SELECT ended_at, reported_at FROM gaps")
    assert row["ended_at"] == end
    assert row["reported_at"] > before, "what goes on is news"
    # A repeat of the first report that the network held back.
    assert await verdicts(recorder, told) == ["stored"]
    assert await place.row("SELECT ended_at, reported_at FROM gaps") == row


async def test_each_gap_is_answered_by_itself(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    elsewhere = await place.camera("Elsewhere")
    early = datetime(1970, 1, 1, tzinfo=UTC).isoformat()
    batch = [gap(camera_id), gap(elsewhere), gap(uuid7()), gap(camera_id, start=early)]
    assert await verdicts(recorder, *batch) == ["stored", "refused", "refused", "refused"]
    answer = (await recorder.post("gaps", json={"gaps": batch})).json()["gaps"]
    assert [verdict["final"] for verdict in answer] == [False, False, True, True], "no such camera, no such time"
    assert await verdicts(stranger, batch[0]) == ["refused"]
    await place.assign(stranger, camera_id)
    assert await verdicts(stranger, batch[0] | {"detail": "mine now"}) == ["refused"]
    assert (await place.row("SELECT detail FROM gaps"))["detail"] == "no route to host"


async def test_five_hundred_cost_as_many_statements_as_one(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    with counted_statements(place.service.services.engine) as statements:
        assert await verdicts(recorder, *(gap(camera_id, number) for number in range(500))) == ["stored"] * 500
    assert len(statements) <= 3


async def test_a_gap_that_can_not_be_read_is_refused_alone_with_the_reason(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    wrongs: list[tuple[dict[str, Any], str]] = [
        ({"cause": "of a newer recorder"}, "cause"),
        ({"end": START.isoformat()}, "end"),
        ({"detail": "\0"}, "NUL"),
        ({"camera_id": None}, "camera_id"),
    ]
    for wrong, named in wrongs:
        bad, good = gap(camera_id) | wrong, gap(camera_id)
        response = await recorder.post("gaps", json={"gaps": [bad, good]})
        assert response.status_code == 200, response.text
        first, second = response.json()["gaps"]
        assert (first["id"], first["verdict"], second["id"], second["verdict"]) == (
            bad["id"],
            "refused",
            good["id"],
            "stored",
        )
        assert named in first["reason"]
    assert len(await place.rows("SELECT id FROM gaps")) == len(wrongs)


@pytest.mark.parametrize("item", [{"id": "1"}, {"id": 5}, {"id": []}, {}, 5, "x", None, [], "\ud800"])
async def test_of_what_is_no_gap_at_all_the_place_tells_which(
    camera_id: uuid.UUID, recorder: Recorder, item: Any
) -> None:
    content = json.dumps({"gaps": [gap(camera_id), item]})
    response = await recorder.post("gaps", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    good, bad = response.json()["gaps"]
    assert (good["verdict"], bad["verdict"], bad["id"]) == ("stored", "refused", None)
    assert bad["reason"]


async def test_what_is_no_batch_is_422(recorder: Recorder) -> None:
    bodies: list[Any] = [{}, {"gaps": None}, {"gaps": {}}, {"gaps": [{}] * 501}]
    for body in bodies:
        assert (await recorder.post("gaps", json=body)).status_code == 422


async def test_gaps_of_a_camera_that_was_taken_away_since_are_still_taken_in(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    recording_id = await recorder.register(camera_id)
    await place.rows("DELETE FROM client_cameras")
    await place.assign(stranger, camera_id)
    told = [gap(camera_id, 1, recording_id=str(recording_id)), gap(camera_id, 2)]
    assert await verdicts(recorder, *told) == ["stored", "stored"]
    never_recorded = await place.camera("Elsewhere")
    assert await verdicts(recorder, gap(never_recorded, recording_id=str(recording_id))) == ["refused"]
