"""What a machine can carry, and who has a place when more is due."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from recorder.admission import admitted
from recorder.capacity import CAMERAS_PER_PROCESS, Machine, carried, chosen, this_machine
from recorder.wanted import Stream

GIB = 1 << 30
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MACHINES = st.builds(Machine, st.floats(0.05, 256), st.integers(64 << 20, 1 << 42), st.integers(16, 1 << 20))


def stream(number: int) -> Stream:
    return Stream(UUID(int=number), f"rtsp://camera/{number}")


def test_the_plan_of_a_hundred_cameras_on_a_four_core_box_is_carried() -> None:
    assert carried(Machine(4, 2 * GIB, 1024)).cameras >= 100
    assert carried(Machine(2, 2 * GIB, 1024)).cameras == 64


def test_the_scarcest_of_a_machine_decides_and_is_named() -> None:
    small = carried(Machine(4, 512 << 20, 65_536))
    assert (small.cameras, small.reason) == (16, "what 512 MiB of memory can carry")
    assert carried(Machine(4, 64 * GIB, 256)).cameras == 32
    assert carried(Machine(64, 64 * GIB, 65_536)).cameras == CAMERAS_PER_PROCESS


@given(MACHINES)
def test_no_machine_is_too_small_for_one_camera(machine: Machine) -> None:
    assert 1 <= carried(machine).cameras <= CAMERAS_PER_PROCESS


@given(MACHINES, st.floats(1, 4), st.integers(1, 4))
def test_a_bigger_machine_never_carries_less(machine: Machine, more: float, times: int) -> None:
    bigger = Machine(machine.cores * more, machine.memory_bytes * times, machine.descriptors * times)
    assert carried(bigger).cameras >= carried(machine).cameras


def test_a_number_that_was_set_is_taken_as_it_is() -> None:
    assert chosen(500, Machine(1, GIB, 1024)).cameras == 500
    assert chosen(0, Machine(1, GIB, 1024)) == carried(Machine(1, GIB, 1024))


def test_a_containers_limits_count(tmp_path: Path) -> None:
    host = this_machine(tmp_path)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text(f"{128 << 20}\n")
    assert this_machine(tmp_path) == Machine(0.5, 128 << 20, host.descriptors)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert this_machine(tmp_path) == host


@given(
    st.dictionaries(st.integers(0, 30), st.integers(0, 50)),
    st.sets(st.integers(0, 30)),
    st.sets(st.integers(0, 30)),
    st.integers(1, 40),
)
def test_nobody_who_records_is_put_out_and_nobody_read_ahead_takes_a_place_from_one_who_is_due(
    due: dict[int, int], ahead: set[int], running: set[int], limit: int
) -> None:
    since = {stream(number): NOON + timedelta(seconds=seconds) for number, seconds in due.items()}
    result = admitted(since, map(stream, ahead), {UUID(int=number) for number in running}, limit)
    read = [one.camera_id.int for one in result.streams]
    assert len(read) == len(set(read)) == min(limit, len(set(due) | ahead))
    assert {camera.int for camera in result.refused} == set(due) - set(read)
    if result.refused:
        assert set(read) <= set(due)
        assert len(set(due) & running & set(read)) == min(limit, len(set(due) & running))
    places = [(number not in due, number not in running) for number in read]
    assert places == sorted(places)
