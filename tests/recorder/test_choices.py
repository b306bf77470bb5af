"""What an operator chooses for a camera: how its stream is carried, and which of its streams is recorded."""

from datetime import UTC, datetime
from itertools import pairwise

import av
import pytest
from uuid_utils.compat import uuid7

from camera_simulator import CameraSimulator, CameraSpec
from camfleet_contract.cameras import RecordedStream, RtspTransport
from camfleet_contract.configuration import ConfiguredCamera
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.coverage import SMALLEST
from recorder.spool import Spool
from recorder.wanted import camera_streams
from tests.recorder.recorded import footage
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

MAIN = CameraSpec(name="main", width=320, height=184, bitrate_bps=200_000)
SUB = CameraSpec(name="sub", width=160, height=96, bitrate_bps=100_000)
YARD = ConfiguredCamera(id=uuid7(), name="Yard", rtsp_url="rtsp://10.0.0.2/1", rtsp_url_sub="rtsp://10.0.0.2/2")


def is_recording(cameras: Cameras) -> bool:
    return cameras.states()[0].condition is CameraCondition.RECORDING


@pytest.mark.parametrize("what", ["transport", "address"])
async def test_a_changed_camera_is_connected_anew_at_once_and_the_change_is_a_known_gap(
    spool: Spool, what: str
) -> None:
    async with CameraSimulator([MAIN, SUB], port=0) as simulator:
        yard = ConfiguredCamera(id=uuid7(), name="Yard", rtsp_url=simulator.url("main"))
        changes: dict[str, object] = {"rtsp_transport": RtspTransport.UDP}
        if what == "address":
            changes = {"rtsp_url": simulator.url("sub")}
        schedule = always(yard)
        cameras = Cameras(spool)
        cameras.apply(config(schedule, cameras=(yard,)))
        async with running(cameras):
            await until(lambda: is_recording(cameras))
            assert [viewer.protocol for viewer in simulator.camera("main").viewers] == ["tcp"]
            cameras.apply(config(schedule, cameras=(yard.model_copy(update=changes),)))
            changed = simulator.camera("sub" if what == "address" else "main")
            protocol = "tcp" if what == "address" else "udp"
            await until(lambda: [viewer.protocol for viewer in changed.viewers] == [protocol])
            back = datetime.now(UTC)
            await until(lambda: any(segment.opened_at > back for segment in sealed(spool)))
    pieces = footage(spool, yard.id)
    assert len({segment.recording_id for segment in sealed(spool)}) == 1
    holes = [(a.end, b.start) for a, b in pairwise(pieces) if b.start - a.end >= SMALLEST]
    gaps = [gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.end > pieces[0].start]
    assert [(gap.start, gap.end) for gap in gaps] == holes
    assert {gap.detail for gap in gaps} <= {f"Its {what} was changed."}


async def test_a_camera_without_a_transport_of_its_own_has_the_recorders(spool: Spool) -> None:
    async with CameraSimulator([MAIN], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(transport=RtspTransport.UDP))
        cameras.apply(config(always(camera(simulator.url("main")))))
        async with running(cameras):
            await until(lambda: is_recording(cameras))
            assert [viewer.protocol for viewer in simulator.camera("main").viewers] == ["udp"]


async def test_the_second_stream_is_recorded_where_it_is_chosen(spool: Spool) -> None:
    async with CameraSimulator([MAIN, SUB], port=0) as simulator:
        urls = {"rtsp_url": simulator.url("main"), "rtsp_url_sub": simulator.url("sub")}
        yard = ConfiguredCamera(id=uuid7(), name="Yard", recorded_stream=RecordedStream.SUB, **urls)
        cameras = Cameras(spool)
        cameras.apply(config(always(yard), cameras=(yard,)))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
        assert simulator.camera("main").sent() == []
    with av.open(str(spool.segments.file(sealed(spool)[0]))) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (SUB.width, SUB.height)


@pytest.mark.parametrize(
    ("changes", "url", "transport"),
    [
        ({}, "rtsp://10.0.0.2/1", "tcp"),
        ({"recorded_stream": "sub"}, "rtsp://10.0.0.2/2", "tcp"),
        ({"recorded_stream": "sub", "rtsp_url_sub": None}, "rtsp://10.0.0.2/1", "tcp"),
        ({"rtsp_transport": "udp"}, "rtsp://10.0.0.2/1", "udp"),
    ],
)
def test_what_is_chosen_is_what_is_read(changes: dict[str, str | None], url: str, transport: str) -> None:
    yard = ConfiguredCamera.model_validate(YARD.model_dump() | changes)
    stream = camera_streams(config(cameras=(yard,)))[yard.id]
    assert (stream.url, stream.transport) == (url, transport)
    assert camera_streams(config(cameras=(yard,)), RtspTransport.UDP)[yard.id].transport == "udp"


def test_a_schedule_that_came_without_its_camera_in_the_list_is_read_by_its_main_stream() -> None:
    document = config(always(YARD)).model_copy(update={"cameras": []})
    assert camera_streams(document)[YARD.id].url == YARD.rtsp_url
