"""A cable that is pulled says nothing, neither FIN nor RST; plugged in again, the camera is recorded again."""

from datetime import UTC, datetime

from structlog.testing import capture_logs

from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.spool import Spool
from tests.recorder.cables import cabled_camera
from tests.recorder.rig import always, assert_all_time_is_told, camera, config, running, sealed
from tests.recorder.waiting import until

CAMERA = "yard:audio=aac,width=320,height=180,gop_frames=12,bitrate_bps=300000,loop_seconds=4"


async def test_a_pulled_cable_is_noticed_and_told_and_the_camera_recorded_again_once_it_is_plugged_in(
    spool: Spool,
) -> None:
    async with cabled_camera(CAMERA) as cabled:
        known = datetime.now(UTC)
        yard = camera(cabled.url)
        cameras = Cameras(spool, capturing=Capturing(open_seconds=2, read_seconds=2))
        cameras.apply(config(always(yard)))

        def condition() -> CameraCondition:
            return cameras.states()[0].condition

        with capture_logs() as logs:
            async with running(cameras):
                await until(lambda: sealed(spool))
                cabled.cable.unplug()
                pulled = datetime.now(UTC)
                await until(lambda: condition() is CameraCondition.UNREACHABLE)
                cabled.cable.plug()
                plugged = datetime.now(UTC)
                await until(lambda: any(segment.opened_at > plugged for segment in sealed(spool)))
    kinds = [entry["kind"] for entry in logs if entry["event"] == "camera_failed"]
    assert kinds[0] == "StreamStalled", "nobody said that the connection was over"
    ended = max(segment.sealed.end for segment in sealed(spool) if segment.sealed)
    outage = [gap for gap in spool.gaps.to_report(ended) if gap.end > pulled]
    assert {gap.cause for gap in outage} == {GapCause.STREAM_STALLED}
    assert_all_time_is_told(spool, yard.id, known, ended)
