"""Which client reads which camera."""

import pytest

from camera_simulator import CameraSimulator, CameraSpec, VideoCodec
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.sources import RtspClient
from recorder.spool import Spool
from recorder.stream import Transport
from tests.recorder.rig import always, camera, config, running
from tests.recorder.waiting import until

OWN, LIBAV = "camfleet-recorder", "Lavf"


@pytest.mark.parametrize(
    ("capturing", "agent"),
    [
        (Capturing(), OWN),
        (Capturing(client=RtspClient.LIBAV), LIBAV),
        (Capturing(transport=Transport.UDP), LIBAV),
    ],
    ids=["plain", "libav as the setting says", "UDP"],
)
async def test_a_camera_is_read_by_the_client_that_fits(spool: Spool, capturing: Capturing, agent: str) -> None:
    async with CameraSimulator([CameraSpec(name="yard", codec=VideoCodec.H265)], port=0) as simulator:
        cameras = Cameras(spool, capturing=capturing)
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: cameras.states()[0].condition == "recording")
        agents = [each.user_agent for each in simulator.camera("yard").requests if each.method == "PLAY"]
    assert len(agents) == 1, "one connection per stream"
    assert agents[0].startswith(agent)
