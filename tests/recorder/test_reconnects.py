"""A camera that is away, refuses or hangs is come back to: once per stream, and never so that it locks the account."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from camera_simulator.cameras import Camera
from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.spool import Spool
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

PLAIN = CameraSpec(name="yard", audio=AudioCodec.NONE)
LOCKED = CameraSpec(name="yard", audio=AudioCodec.NONE, user="admin", password="right")
QUICK = Capturing(open_seconds=2, read_seconds=1)


def condition(cameras: Cameras) -> CameraCondition:
    return cameras.states()[0].condition


def answers(camera: Camera, method: str, status: int) -> int:
    return sum(asked.method == method and asked.status == status for asked in camera.requests)


async def test_a_camera_that_serves_no_further_client_is_refusing_and_recorded_when_it_does(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        simulated = simulator.camera("yard")
        simulated.refuse(453)
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.REFUSED)
            refused = cameras.states()[0]
            assert "too many clients" in refused.reason
            tries = len(simulated.requests)
            await until(lambda: len(simulated.requests) > tries)
            assert cameras.states()[0] == refused, "tried again, and still the same trouble since then"
            simulated.resume()
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
            assert cameras.states()[0].since > refused.since
            assert cameras.states()[0].reason == ""
    assert GapCause.CAMERA_REFUSED in {gap.cause for gap in spool.gaps.to_report(datetime.now(UTC))}


async def test_the_log_names_the_camera_once_when_it_fails_and_once_when_it_is_back(spool: Spool) -> None:
    async with CameraSimulator([PLAIN], port=0) as simulator:
        simulated = simulator.camera("yard")
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(camera(simulator.url("yard"), "Loading bay"))))
        with capture_logs() as logs:
            async with running(cameras):
                await until(lambda: condition(cameras) is CameraCondition.RECORDING)
                simulated.stall()
                # The first saw the pictures stop, the others saw none at all: the same trouble.
                await simulated.wait_for_request("PLAY", 200, count=4)
                simulated.resume()
                await until(lambda: "camera_recovered" in [entry["event"] for entry in logs])
    told = [entry for entry in logs if entry["event"] in {"camera_failed", "camera_recovered"}]
    assert {entry["camera"] for entry in told} == {"Loading bay"}
    assert all(one.get("kind") != next_one.get("kind") for one, next_one in pairwise(told)), "the same is told once"
    stalled = next(entry for entry in told if entry.get("kind") == "StreamStalled")
    assert "restart the camera" in stalled["advice"]
    recovered = told[-1]
    assert (recovered["condition"], recovered["was"]) == ("recording", told[-2]["reason"])
    assert recovered["seconds"] > 0


async def test_a_corrected_password_is_tried_at_once_and_the_wrong_one_never_again(spool: Spool) -> None:
    async with CameraSimulator([LOCKED], port=0) as simulator:
        simulated = simulator.camera("yard")
        wrong = camera(simulator.url("yard").replace("right", "wr0ng"))
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(wrong)))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.REFUSED)
            before = answers(simulated, "DESCRIBE", 401)
            corrected = datetime.now(UTC)
            cameras.apply(config(always(camera(simulator.url("yard"), camera_id=wrong.id))))
            await until(lambda: condition(cameras) is CameraCondition.RECORDING)
            state = cameras.states()[0]
        assert answers(simulated, "DESCRIBE", 401) == before + 1, "only the challenge that each session begins with"
    assert state.since - corrected < timedelta(seconds=30), "far from the five minutes of a refused password"


@pytest.mark.parametrize("how", ["the window is removed and comes back", "the camera has another address"])
async def test_a_stalled_camera_never_has_two_connections(spool: Spool, how: str) -> None:
    with capture_logs() as logs:
        async with CameraSimulator([PLAIN], port=0) as simulator:
            simulated = simulator.camera("yard")
            yard = camera(simulator.url("yard"))
            cameras = Cameras(spool, capturing=Capturing(open_seconds=2, read_seconds=2))
            cameras.apply(config(always(yard)))
            async with running(cameras):
                await until(lambda: condition(cameras) is CameraCondition.RECORDING)
                simulated.stall()
                if how == "the camera has another address":
                    yard = camera(simulator.url("yard").replace("127.0.0.1", "localhost"), camera_id=yard.id)
                else:
                    cameras.apply(config(cameras=(yard,)))
                    await until(lambda: cameras.active() == [])
                cameras.apply(config(always(yard)))
                await simulated.wait_for_request("PLAY", 200, count=2)
                simulated.resume()
                back = datetime.now(UTC)
                await until(lambda: any(segment.opened_at > back for segment in sealed(spool)))
    steps = [entry["event"] for entry in logs if entry["event"] in {"viewer_came", "viewer_left"}]
    assert steps[:3] == ["viewer_came", "viewer_left", "viewer_came"]


async def test_a_camera_that_sends_no_keyframe_yet_is_connecting_and_no_longer_unreachable(spool: Spool) -> None:
    spec = CameraSpec(
        name="yard",
        own_port=True,
        starts_at_keyframe=False,
        fps=5,
        gop_frames=300,  # one keyframe a minute
        loop_seconds=60,
        width=64,
        height=64,
    )
    async with CameraSimulator([spec], port=0) as simulator:
        simulated = simulator.camera("yard")
        await simulated.refuse_connections()
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: condition(cameras) is CameraCondition.UNREACHABLE)
            away = cameras.states()[0]
            assert away.reason.startswith("The camera can't be reached")
            await simulated.accept_connections()
            await until(lambda: condition(cameras) is CameraCondition.CONNECTING)
            assert cameras.states()[0].reason == ""
            assert cameras.states()[0].since > away.since
