"""A disk that stands still for seconds, as disks do that spin up, die, or hang on a network."""

from pathlib import Path

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec
from recorder.cameras import Cameras
from recorder.spool import Spool
from tests.recorder.disks import misbehaving_disk
from tests.recorder.recorded import assert_nothing_is_lost, footage
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

SPECS = [CameraSpec(name=name, audio=AudioCodec.NONE) for name in ("yard", "gate")]
PICTURES = 25


async def test_a_disk_that_stands_still_for_seconds_costs_no_packet(tmp_path: Path) -> None:
    async with misbehaving_disk(tmp_path / "base") as disk, CameraSimulator(SPECS, port=0) as simulator:
        spool = Spool.open(tmp_path / "base")
        listed = [camera(simulator.url(spec.name), spec.name) for spec in SPECS]
        cameras = Cameras(spool)
        cameras.apply(config(*(always(one) for one in listed)))
        async with running(cameras):
            await until(lambda: {s.camera_id for s in sealed(spool)} == {one.id for one in listed})
            for seconds in (3.0, 0.0, 3.0):
                await disk.wait(write=seconds, fsync=seconds, change=seconds)
                await simulator.camera("yard").wait_for_sent(4 * PICTURES)
            await disk.mend()
            newest = {one.id: max(s.opened_at for s in sealed(spool) if s.camera_id == one.id) for one in listed}
            await until(
                lambda: all(
                    any(s.opened_at > newest[one.id] for s in sealed(spool) if s.camera_id == one.id) for one in listed
                )
            )
        for one in listed:
            assert_nothing_is_lost(footage(spool, one.id), simulator.camera(one.name))
        spool.close()
