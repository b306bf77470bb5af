"""Fetch now, through the whole fleet: asked by REST in closed hours, pushed, uploaded alone, and over by itself."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fleet.conftest import Fleet
from tests.fleet.processes import moment, until
from tests.recorder.gcs import Gcs


async def fetch(fleet: Fleet, body: dict[str, str]) -> dict[str, Any]:
    asked: Any = await fleet.chief.call("POST", "fetches/", json=body)
    assert len(asked) == 1
    found: dict[str, Any] = asked[0]
    return found


async def fetched(fleet: Fleet, fetch_id: str) -> dict[str, Any] | None:
    found: dict[str, Any] = await fleet.chief.call("GET", f"fetches/{fetch_id}/")
    return found if found["state"] in {"done", "nothing"} else None


async def is_closed(fleet: Fleet) -> bool:
    return (await fleet.recorder.status())["uplink"]["is_open"] is False


def closed_hours() -> list[dict[str, str]]:
    """A minute of the day that is half a day away at the site."""
    start = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(hours=12)
    return [{"start_time": f"{start:%H:%M:00}", "end_time": f"{start:%H:%M:30}"}]


@pytest.mark.timeout(300)
async def test_what_is_fetched_comes_in_closed_hours_and_nothing_else_does(brokered_fleet: Fleet, gcs: Gcs) -> None:
    fleet = brokered_fleet
    await fleet.chief.change("clients", fleet.client_id, upload_hours=closed_hours())
    await fleet.recorder.start()
    await fleet.record(segment_seconds=2)
    await until("the hours are in force", partial(is_closed, fleet))
    await until("six segments wait on disk", partial(fleet.has_backlog, 6))
    assert gcs.opened == 0
    assert gcs.bytes_taken == 0

    waiting = (await fleet.recorder.status())["backlog"]
    oldest = moment(waiting["oldest"])
    body = {"camera_id": fleet.camera_id, "start": oldest.isoformat()}
    body["end"] = (oldest + timedelta(seconds=3)).isoformat()
    asked = await fetch(fleet, body)
    over = await until("it is over", partial(fetched, fleet, asked["id"]))
    assert over["state"] == "done"
    stored = [segment for segment in await fleet.segments() if segment["state"] == "stored"]
    assert stored
    assert all(moment(segment["started_at"]) < oldest + timedelta(seconds=3) for segment in stored)
    assert len(gcs.bodies) == len(stored)

    await fleet.chief.change("clients", fleet.client_id, upload_hours=[])
    await until("all the rest comes", partial(fleet.stored_after, oldest + timedelta(seconds=3)))
    empty = {"camera_id": fleet.camera_id, "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:05:00Z"}
    nothing = await fetch(fleet, empty)
    told = await until("there is nothing", partial(fetched, fleet, nothing["id"]))
    assert told["state"] == "nothing"
    assert datetime.now(UTC) > moment(told["ended_at"])
    assert await asyncio.to_thread(lambda: "Traceback" not in fleet.recorder.log)
