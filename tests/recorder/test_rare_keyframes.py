"""Keyframes a minute apart, as smart codecs make them at night: in real time, with the limits that recorders have.

More such minutes in a row: RARE_MINUTES=2 pytest tests/recorder/test_rare_keyframes.py
"""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from camera_simulator import CameraSimulator, CameraSpec, VideoCodec
from camfleet_contract.cameras import RtspTransport
from camfleet_contract.configuration import ConfiguredCamera
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.spool import Spool
from tests.recorder.recorded import assert_nothing_is_lost, footage, shown_as_sent
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

MINUTES = int(os.environ.get("RARE_MINUTES", "1"))
FPS = 10
OFTEN, RARE = timedelta(seconds=2), timedelta(seconds=60)
OFTEN_FRAMES, RARE_FRAMES = 2 * FPS, 60 * FPS
YARD = CameraSpec(name="h264", width=320, height=184, fps=FPS, gop_frames=OFTEN_FRAMES, bitrate_bps=100_000)
SMART = [YARD, replace(YARD, name="h265", codec=VideoCodec.H265), replace(YARD, name="udp")]
JOINED_SECONDS = 3.0
"""How long after a keyframe the recorder comes to a camera whose next one is a minute later."""
LATE = [
    replace(YARD, name=name, gop_frames=RARE_FRAMES, starts_at_keyframe=False, phase_seconds=JOINED_SECONDS)
    for name in ("late", "late-udp")
]


@pytest.mark.timeout(180 + 60 * MINUTES)
async def test_keyframes_a_minute_apart_are_waited_for_and_cost_nothing(spool: Spool) -> None:
    specs = [*SMART, *LATE]
    async with CameraSimulator(specs, port=0) as simulator:
        known = {spec.name: _camera(simulator.url(spec.name), spec.name) for spec in specs}
        cameras = Cameras(spool)
        cameras.apply(config(*(always(each) for each in known.values())))
        smart = [known[spec.name].id for spec in SMART]
        late = [known[spec.name].id for spec in LATE]

        async def become(gop_frames: int) -> None:
            await asyncio.gather(*(simulator.camera(spec.name).change_media(gop_frames=gop_frames) for spec in SMART))

        async with running(cameras):
            await until(lambda: all(_lengths(spool, each) for each in smart))
            for state in cameras.states():
                is_late = state.camera_id in late
                assert state.condition is (CameraCondition.CONNECTING if is_late else CameraCondition.RECORDING)
            await become(RARE_FRAMES)
            limit = 60.0 * MINUTES + 90
            # The keyframe that ends the last of the minutes is the first that comes often again.
            await until(lambda: all(_lengths(spool, each).count(RARE) >= MINUTES - 1 for each in smart), limit)
            await asyncio.gather(*(simulator.camera(spec.name).wait_for_sent(4 * FPS) for spec in SMART))
            await become(OFTEN_FRAMES)
            await until(lambda: all(_has_come_back(_lengths(spool, each)) for each in smart), limit)
            await until(lambda: all(_is_recording(cameras, each) for each in late), limit)

        for name, each in known.items():
            pieces, simulated = footage(spool, each.id), simulator.camera(name)
            assert_nothing_is_lost(pieces, simulated)
            assert shown_as_sent(pieces, simulated)
            gaps = [gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.camera_id == each.id]
            assert [gap for gap in gaps if gap.end > pieces[0].start] == [], "no gap but before the first keyframe"


def _camera(url: str, name: str) -> ConfiguredCamera:
    transport = RtspTransport.UDP if name.endswith("udp") else RtspTransport.TCP
    return ConfiguredCamera(**dict(camera(url, name)), rtsp_transport=transport)


def _lengths(spool: Spool, camera_id: UUID) -> list[timedelta]:
    segments = [segment for segment in sealed(spool) if segment.camera_id == camera_id]
    return [segment.sealed.end - segment.sealed.start for segment in segments if segment.sealed]


def _has_come_back(lengths: list[timedelta]) -> bool:
    return lengths.count(RARE) == MINUTES and lengths[-1] == OFTEN


def _is_recording(cameras: Cameras, camera_id: UUID) -> bool:
    states = {state.camera_id: state.condition for state in cameras.states()}
    return states[camera_id] is CameraCondition.RECORDING
