"""Timestamps as cameras send them, and what becomes of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import pytest

from recorder.timeline import Timeline

TB = Fraction(1, 90_000)
FRAME = 3600
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class StillClock:
    moment: datetime = NOON
    seconds: float = 1000.0
    steps: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        return self.seconds


def packet(dts: int | None, pts: int | None = None) -> "av.Packet":  # type: ignore[type-arg]  # subscripts fail at run time
    made = av.Packet(b"x")
    made.time_base = TB
    made.dts, made.pts = dts, pts if pts is not None else dts
    return made


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def placed(clock: StillClock, times: list[int | None], arrivals: list[float] | None = None) -> list[int]:
    timeline = Timeline(clock, 0)
    result = []
    for number, time in enumerate(times):
        made = packet(time)
        timeline.place(made, (arrivals or [1000 + n / 25 for n in range(len(times))])[number])
        assert made.dts is not None
        assert made.pts is not None
        assert made.pts >= made.dts
        result.append(made.dts)
    return [time - result[0] for time in result]


def test_good_timestamps_keep_their_distances(clock: StillClock) -> None:
    assert placed(clock, [7, 7 + FRAME, 7 + 3 * FRAME]) == [0, FRAME, 3 * FRAME]


def test_a_first_packet_without_timestamps_is_kept(clock: StillClock) -> None:
    assert placed(clock, [None, FRAME, 2 * FRAME]) == [0, FRAME, 2 * FRAME]


def test_missing_timestamps_follow_the_arrival(clock: StillClock) -> None:
    assert placed(clock, [0, None, 2 * FRAME]) == [0, FRAME, 2 * FRAME]


def test_repeated_and_slightly_backward_timestamps_stay_in_order(clock: StillClock) -> None:
    assert placed(clock, [FRAME, FRAME, FRAME - 100, 2 * FRAME]) == [0, 1, 2, FRAME]


@pytest.mark.parametrize("jump", [90_000 * 3600, -90_000 * 3600, -(2**33)])
def test_a_jump_of_the_cameras_clock_does_not_show(clock: StillClock, jump: int) -> None:
    times = [2**33, 2**33 + FRAME, 2**33 + 2 * FRAME + jump, 2**33 + 3 * FRAME + jump]
    assert placed(clock, list(times)) == [0, FRAME, 2 * FRAME, 3 * FRAME]


def test_packets_that_the_network_held_back_keep_their_own_times(clock: StillClock) -> None:
    times: list[int | None] = [0, FRAME, 2 * FRAME, 3 * FRAME]
    assert placed(clock, times, [1000, 1000.04, 1008, 1008]) == [0, FRAME, 2 * FRAME, 3 * FRAME]


def test_a_hole_in_the_media_is_kept_as_long_as_it_was(clock: StillClock) -> None:
    times: list[int | None] = [0, FRAME, 90_000 * 20]
    assert placed(clock, times, [1000, 1000.04, 1020]) == [0, FRAME, 90_000 * 20]


def test_the_packet_that_waited_least_gives_the_stamps_and_then_they_stay(clock: StillClock) -> None:
    timeline = Timeline(clock, 0)
    timeline.place(packet(0), 1000.7)
    second = timeline.place(packet(FRAME * 25), 1001.0)
    assert second is not None
    # Media second 1 arrived at 1001.0, so second 0 was at 1000.0, whenever it came through.
    assert timeline.stamp(second) == NOON + timedelta(seconds=1)
    timeline.settle()
    timeline.place(packet(FRAME * 50), 1001.5)
    assert timeline.stamp(second) == NOON + timedelta(seconds=1)


def test_a_step_of_the_wall_clock_does_not_move_stamps_and_is_noticed_when_it_lasts(clock: StillClock) -> None:
    timeline = Timeline(clock, 0)
    timeline.place(packet(0), 1000.0)
    clock.moment = NOON + timedelta(hours=1)
    second = timeline.place(packet(FRAME), 1000.04)
    assert second is not None
    assert timeline.stamp(second) == NOON + timedelta(seconds=0.04)
    assert not timeline.is_astray(1000.08)
    clock.moment += timedelta(seconds=10)
    timeline.place(packet(FRAME * 251), 1010.04)
    assert timeline.is_astray(1010.09)


def test_a_stall_is_no_step(clock: StillClock) -> None:
    timeline = Timeline(clock, 0)
    timeline.place(packet(0), 1000.0)
    clock.moment = NOON + timedelta(seconds=20)
    assert not timeline.is_astray(1020.0)
    timeline.place(packet(90_000 * 20), 1020.0)
    assert not timeline.is_astray(1020.04)
