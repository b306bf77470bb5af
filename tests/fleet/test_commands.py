"""Commands through the whole fleet: asked by REST, pushed, carried out at the site, and answered."""

import io
import re
from functools import partial
from typing import Any

import av
import httpx
import pytest

from camfleet_contract.commands import CommandState
from recorder.cli import RESTART
from tests.fleet.conftest import Fleet
from tests.fleet.processes import until

TOKEN = re.compile(r"cf[rk]_[A-Za-z0-9_-]{16,}")


async def command_over(fleet: Fleet, command_id: str) -> dict[str, Any] | None:
    found = await fleet.chief.call("GET", f"commands/{command_id}/", params={"wait": 5})
    return found if CommandState(found["state"]).is_over else None


async def has_state(fleet: Fleet, command_id: str, *states: str) -> bool:
    return (await fleet.chief.call("GET", f"commands/{command_id}/"))["state"] in states


async def is_online(fleet: Fleet) -> bool:
    return bool((await fleet.chief.call("GET", f"clients/{fleet.client_id}/"))["status"] == "online")


async def done(fleet: Fleet, path: str, **options: Any) -> dict[str, Any]:
    """Ask, and wait for what comes of it."""
    asked = await fleet.chief.call("POST", path, **options)
    ended = await until(f"{path} is over", partial(command_over, fleet, asked["id"]))
    assert ended["state"] == "done", ended["detail"]
    return ended


async def recordings_that_are_on(fleet: Fleet) -> list[str]:
    found = await fleet.chief.collection("recordings/", camera_id=fleet.camera_id)
    return [recording["id"] for recording in found if recording["status"] == "recording"]


async def answer_to(fleet: Fleet, token: str) -> int:
    url = f"{fleet.control_plane.url}/v0/api/local-client/config"
    async with httpx.AsyncClient() as http:
        return (await http.get(url, headers={"Authorization": f"Bearer {token}"})).status_code


@pytest.mark.timeout(300)
async def test_an_operator_sees_tests_records_renews_and_restarts_from_far_away(fleet: Fleet) -> None:
    camera, client = f"cameras/{fleet.camera_id}", f"clients/{fleet.client_id}"
    fleet.recorder.is_service = True
    await fleet.recorder.start()
    await until("the recorder is online", partial(is_online, fleet))

    found = (await done(fleet, f"{camera}/test/"))["camera"]
    assert (found["codec"], found["width"], found["height"], found["transport"]) == ("h264", 640, 360, "tcp")
    assert found["frames_per_second"] == pytest.approx(25, rel=0.1)
    assert not found["is_recording"]
    shown = await done(fleet, f"{camera}/snapshot/")
    image = await fleet.chief._http.get(f"commands/{shown['id']}/image/")
    with av.open(io.BytesIO(image.content), "r", format="mjpeg") as opened:
        assert next(opened.decode(video=0)).width == shown["picture"]["width"] == 640

    first = (await done(fleet, f"{camera}/record/", json={"minutes": 5}))["recording"]["recording_id"]

    async def is_told() -> bool:
        return await recordings_that_are_on(fleet) == [first]

    await until("the control plane knows of the recording", is_told)
    await until("the camera is recorded", fleet.recording_since)
    assert (await done(fleet, f"{camera}/test/"))["camera"]["is_recording"]

    earlier = fleet.recorder.env["CLIENT_TOKEN"]
    await done(fleet, f"{client}/rotate-token/", params={"deliver": True})
    assert await answer_to(fleet, earlier) == httpx.codes.UNAUTHORIZED

    asked = await fleet.chief.call("POST", f"{client}/restart/")
    assert await fleet.recorder.ended() == RESTART
    await fleet.recorder.start()  # as systemd does, with the earlier token in its environment
    restarted = await until("the restart is told", partial(command_over, fleet, asked["id"]))
    assert restarted["state"] == "done"

    async def goes_on() -> list[str] | None:
        on = await recordings_that_are_on(fleet)
        return on if on and first not in on else None

    (second,) = await until("the recording by hand goes on", goes_on)
    assert (await done(fleet, f"{camera}/stop/"))["recording"]["recording_id"] == second
    for log in (fleet.recorder.log, fleet.control_plane.log):
        assert TOKEN.search(log) is None
        assert "s3cret" not in log
        assert "Traceback" not in log


@pytest.mark.timeout(300)
async def test_a_kill_in_the_middle_of_a_command_is_told_and_the_command_not_carried_out_again(fleet: Fleet) -> None:
    await fleet.recorder.start()
    await until("the recorder is online", partial(is_online, fleet))
    fleet.simulator.camera("yard").stall()
    while True:
        asked = await fleet.chief.call("POST", f"cameras/{fleet.camera_id}/test/")
        await until("it was taken", partial(has_state, fleet, asked["id"], "accepted", "failed"))
        await fleet.recorder.kill()
        await fleet.recorder.start()
        ended = await until("it is over", partial(command_over, fleet, asked["id"]))
        assert ended["state"] == "failed"
        if "The recorder was restarted meanwhile" in ended["detail"]:
            break
        # It was over before the kill, or wasn't begun yet and could be taken anew.
        assert "The camera" in ended["detail"]
    fleet.simulator.camera("yard").resume()
    assert (await done(fleet, f"cameras/{fleet.camera_id}/test/"))["camera"]["codec"] == "h264"
