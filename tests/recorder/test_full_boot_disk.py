"""The disk of the spool's database or that of the footage alone is full, or the one of both, also from the start."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from camera_simulator import CameraSimulator, CameraSpec
from camfleet_contract.gaps import GapCause
from tests.ports import free_port
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.disks import small_disk
from tests.recorder.process import environment, recorder
from tests.recorder.rig import always, camera, config
from tests.recorder.test_disk_full import take_all_space

SPECS = [CameraSpec(name="yard"), CameraSpec(name="gate")]


@pytest.mark.parametrize(
    ("mounted", "filled", "is_full_before"),
    [
        (("base", "base/recordings"), "base", True),
        (("base", "base/recordings"), "base", False),
        (("base", "base/recordings"), "base/recordings", True),
        (("base",), "base", True),
    ],
    ids=["spool, before the start", "spool, in mid-run", "footage, before the start", "one disk, before the start"],
)
async def test_a_full_disk_under_the_spool_is_told_and_recording_goes_on_when_there_is_room(
    tmp_path: Path, fake: FakeControlPlane, backend: str, mounted: tuple[str, ...], filled: str, *, is_full_before: bool
) -> None:
    (store := tmp_path / "store").mkdir()
    more = {"STORAGE_URL": f"file://{store}", "HEARTBEAT_INTERVAL_SECONDS": "1"}
    variables = environment(tmp_path, backend, TOKEN, free_port(), **more)

    def told() -> str:
        """What the newest heartbeat says of it."""
        if not fake.heartbeats:
            return ""
        newest = fake.heartbeats[-1]
        problems = [problem.text for problem in newest.problems or []]
        return " ".join(problems + [state.reason for state in newest.cameras or []])

    def recorded_since(moment: datetime) -> int:
        return len({offer.camera_id for offer in fake.offers if offer.id in fake.stored and offer.start > moment})

    with ExitStack() as disks:
        for folder in mounted:
            disks.enter_context(small_disk(tmp_path / folder, "32m" if folder == mounted[-1] else "8m"))
        async with CameraSimulator(SPECS, port=0) as simulator:
            listed = [camera(simulator.url(spec.name), spec.name) for spec in SPECS]
            fake.document = config(*(always(one) for one in listed)).model_dump_json().encode()
            ballast = take_all_space(tmp_path / filled) if is_full_before else None
            async with recorder(tmp_path, variables) as running:
                if ballast is None:
                    await fake.until(lambda: recorded_since(datetime.min.replace(tzinfo=UTC)) == 2)
                    ballast = take_all_space(tmp_path / filled)
                await fake.until(lambda: "full" in told())
                before = len(fake.heartbeats)
                await fake.until(lambda: len(fake.heartbeats) >= before + 3)
                assert running.process.returncode is None, "it stays up"
                ballast.unlink()
                free = datetime.now(UTC)
                await fake.until(lambda: recorded_since(free) == 2)
                await fake.until(lambda: "full" not in told())
                if not is_full_before:  # a recorder that never ran knew of nothing that was due
                    await fake.until(lambda: {gap.cause for gap in fake.gaps.values()} >= {GapCause.DISK_FULL})
                assert await running.stop() == 0
    logged = [json.loads(line) for line in (tmp_path / "stderr.log").read_text().splitlines()]
    assert [line for line in logged if "exception" in line] == []
    assert [line["event"] for line in logged].count("recorder_started") == 1
