"""What a recorder noticed in a camera's picture, seen from the control plane."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from recorder.spool import SceneEvent, Spool
from tests.fleet.conftest import Fleet
from tests.fleet.processes import until


@pytest.mark.timeout(400)
async def test_an_event_that_waited_on_the_recorders_disk_arrives_with_its_numbers_and_its_end(fleet: Fleet) -> None:
    begin = datetime.now(UTC) - timedelta(minutes=5)
    usual, seen = {"keyframe_bytes": 96_400.0, "delta_bytes": 5210.5}, {"keyframe_bytes": 4120.0, "delta_bytes": 88.0}
    spool = Spool.open(fleet.recorder.folder / "recorder")
    event = SceneEvent(uuid7(), UUID(fleet.camera_id), "covered", begin, None, usual, seen)
    spool.events.put([event])
    spool.close()
    await fleet.recorder.start()

    async def arrived() -> list[dict[str, object]]:
        return await fleet.rows("SELECT * FROM events WHERE kind = 'scene.covered' AND detail->>'end' IS NOT NULL")

    (row,) = await until("the event with its end", arrived)
    detail = json.loads(str(row["detail"]))
    assert (row["id"], row["subject_id"], row["occurred_at"]) == (event.id, event.camera_id, begin)
    assert row["actor"] == f"client:{fleet.client_id}"
    assert (detail["usual"], detail["seen"]) == (usual, seen)
    assert datetime.fromisoformat(detail["end"]) >= begin
