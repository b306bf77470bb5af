"""kill -9 and outages, seen from both ends: what the recorder had on disk arrives, once."""

import random
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from demo.proof import is_proven, merged
from tests.fleet.conftest import Fleet
from tests.fleet.processes import is_past, moment, until

LAST_SECOND = timedelta(seconds=1.2)  # the last fragment, and the packet that was on its way


@pytest.mark.timeout(300)
async def test_a_segment_that_was_open_at_kill_9_arrives_but_for_its_last_second(fleet: Fleet) -> None:
    await fleet.recorder.start()
    await fleet.record(segment_seconds=4)
    chance = random.Random(20_261_122)
    kills: list[tuple[datetime, datetime]] = []
    for _ in range(6):
        recording_since = await until("the camera is recorded", fleet.recording_since)
        # Anywhere in a segment of four seconds, also at its very start and just after a cut.
        instant = datetime.now(UTC) + timedelta(seconds=chance.uniform(0.1, 6.0))
        await until("the moment to kill", partial(is_past, instant))
        await fleet.recorder.kill()
        kills.append((recording_since, datetime.now(UTC)))
        await fleet.recorder.start()

    await until("footage after the last kill", partial(fleet.stored_after, kills[-1][1]))
    await fleet.recorder.stop()
    await fleet.recorder.start()
    await until("nothing waits", fleet.is_drained)

    segments = await fleet.segments()
    assert all(segment["state"] == "stored" for segment in segments)
    assert [segment["id"] for segment in segments if not is_proven(segment, fleet.store)] == []
    covered = merged([(moment(s["started_at"]), moment(s["ended_at"])) for s in segments])
    for recording_since, killed_at in kills:
        until_then = max(recording_since, *(end for _, end in covered if end <= killed_at + LAST_SECOND))
        lost = killed_at - until_then
        assert lost <= LAST_SECOND, f"killed at {killed_at}, footage only until {until_then}"
    assert _objects(fleet.store) == sorted(segment["object_name"] for segment in segments)


@pytest.mark.timeout(400)
async def test_a_recorder_that_starts_while_the_control_plane_is_down_records_and_all_of_it_arrives_once(
    fleet: Fleet,
) -> None:
    await fleet.recorder.start()
    await fleet.record(segment_seconds=2)
    await until("the configuration has arrived", partial(fleet.stored, 1))
    await fleet.recorder.stop()
    await fleet.control_plane.stop()

    dark_since = datetime.now(UTC)
    await fleet.recorder.start()
    await until("three segments wait on disk", partial(fleet.has_backlog, 3))

    await fleet.control_plane.start()
    await until("what was recorded in the dark arrives", partial(fleet.stored_after, dark_since, count=3), seconds=90)
    await fleet.recorder.stop()

    segments = [segment for segment in await fleet.segments() if segment["state"] == "stored"]
    assert len({segment["id"] for segment in segments}) == len(segments)
    assert all(is_proven(segment, fleet.store) for segment in segments)


def _objects(store: Path) -> list[str]:
    return sorted(str(file.relative_to(store)) for file in store.rglob("*.mp4"))
