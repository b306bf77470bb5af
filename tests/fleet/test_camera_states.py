"""What a camera is doing, since when and why: the same on the recorder, in the control plane and in the console."""

import html
import json
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import pytest

from camera_simulator.cameras import Camera
from demo.processes import call
from tests.console.visitor import PASSWORD, Visitor, text_of
from tests.fleet.conftest import Fleet
from tests.fleet.processes import moment, until

REASONS = {
    "recording": "",
    "stalled": "has sent nothing",
    "unreachable": " not answer ",
    "refused": "refused user or password",
}


async def told(fleet: Fleet, condition: str, visitor: Visitor) -> dict[str, Any] | None:
    """The camera's state once all three say this; they may each be a heartbeat behind the other.

    A recorder that has just started knows of no camera yet, and the control plane of no recorder.
    """
    own = next(iter((await fleet.recorder.status())["camera_states"]), None)
    rows = await fleet.rows("SELECT heartbeat -> 'cameras' -> 0 AS state FROM client_contacts")
    if own is None or not rows or own["condition"] != condition or REASONS[condition] not in own["reason"]:
        return None
    reported = json.loads(rows[0]["state"] or "{}")
    if any(own[fact] != reported.get(fact) for fact in ("condition", "since", "reason")):
        return None
    listed = text_of(await visitor.get("/camera/list"))
    detail = await visitor.get(f"/camera/details/{fleet.camera_id}")
    assert "s3cret" not in detail.text + json.dumps(own)
    # By now a heartbeat may have told of the next state: then all are asked again.
    is_shown = condition in listed and condition in text_of(detail) and own["reason"] in html.unescape(detail.text)
    return dict(own) if is_shown else None


@pytest.mark.timeout(400)
async def test_a_cameras_state_is_the_same_on_the_recorder_in_the_heartbeat_and_in_the_console(fleet: Fleet) -> None:
    simulated: Camera = fleet.simulator.camera("yard")
    await call(
        "control-plane", "create-operator", "watch", "--password-stdin",
        env=fleet.control_plane.env, folder=fleet.control_plane.folder, text=PASSWORD,
    )  # fmt: skip
    async with httpx.AsyncClient(base_url=fleet.control_plane.url, follow_redirects=False, timeout=30) as http:
        visitor = Visitor(http)
        assert (await visitor.log_in("watch")).status_code == 303

        async def becomes(condition: str, after: datetime | None = None) -> datetime:
            state = await until(condition, partial(told, fleet, condition, visitor))
            since = moment(state["since"])
            assert after is None or since > after, "each state counts from its own beginning"
            assert bool(state["reason"]) is (condition != "recording")
            return since

        await fleet.recorder.start()
        await fleet.record(segment_seconds=4)
        since = await becomes("recording")
        simulated.stall()
        since = await becomes("stalled", after=since)
        simulated.silence()
        since = await becomes("unreachable", after=since)
        simulated.resume()
        since = await becomes("recording", after=since)
        simulated.change_password("another")
        simulated.drop()
        since = await becomes("refused", after=since)
        url = fleet.simulator.url("yard")
        await fleet.chief.change("cameras", fleet.camera_id, rtsp_url=url)
        await becomes("recording", after=since)
