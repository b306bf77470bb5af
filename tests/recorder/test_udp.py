"""Pictures that come by UDP as large bursts."""

from pathlib import Path

import pytest

from camera_simulator import CameraSimulator, CameraSpec, VideoCodec
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.receive_buffers import WANTED_BYTES, shortage
from recorder.spool import Spool
from recorder.stream import Transport
from tests.recorder.recorded import assert_nothing_is_lost, footage
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

KEYFRAME_BYTES = 300_000
LARGE = CameraSpec(name="yard", width=1280, height=720, fps=5, gop_frames=5, bitrate_bps=15_000_000, loop_seconds=2)


@pytest.mark.skipif(shortage() != "", reason="net.core.rmem_max is too small here")
@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
async def test_keyframes_of_4k_by_udp_lose_no_packet(spool: Spool, codec: VideoCodec) -> None:
    spec = CameraSpec(**{name: getattr(LARGE, name) for name in LARGE.__slots__} | {"codec": codec})
    async with CameraSimulator([spec], port=0) as simulator:
        yard, simulated = camera(simulator.url("yard")), simulator.camera("yard")
        sizes = [len(unit.data) for unit in simulated.media.video.units if unit.is_keyframe]
        assert min(sizes) > KEYFRAME_BYTES, f"these keyframes prove nothing: {sizes}"
        cameras = Cameras(spool, capturing=Capturing(transport=Transport.UDP))
        cameras.apply(config(always(yard)))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 3)
        assert {viewer.protocol for viewer in simulated.viewers} <= {"udp"}
        assert_nothing_is_lost(footage(spool, yard.id), simulated)


def test_a_system_that_keeps_too_little_is_told_what_to_set(tmp_path: Path) -> None:
    limit = tmp_path / "rmem_max"
    assert shortage(limit) == "", "not Linux"
    limit.write_text(f"{WANTED_BYTES}\n")
    assert shortage(limit) == ""
    limit.write_text("212992\n")
    assert "keeps only 208 KiB" in shortage(limit)
    assert "set net.core.rmem_max=4194304" in shortage(limit)
