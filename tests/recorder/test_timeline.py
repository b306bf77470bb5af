"""Timestamps as cameras send them, and what becomes of them."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

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

    def pass_by(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.seconds += seconds

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


@pytest.mark.parametrize("after", [150 * FRAME, None], ids=["with its time", "without a time"])
def test_a_stall_is_kept_also_when_the_last_packet_before_it_was_held_back(
    clock: StillClock, after: int | None
) -> None:
    """libav hands out a packet when something follows it: here a report, 5.4 s later, and then the next keyframe."""
    times = [0, FRAME, 2 * FRAME, after, 151 * FRAME]
    arrivals = [1000.04, 1000.08, 1005.5, 1006.04, 1006.08]
    assert placed(clock, times, arrivals) == [0, FRAME, 2 * FRAME, 150 * FRAME, 151 * FRAME]


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
    clock.pass_by(10.04)
    timeline.place(packet(FRAME * 251), 1010.04)
    assert timeline.is_astray(1010.09)


def test_a_stall_is_no_step(clock: StillClock) -> None:
    timeline = Timeline(clock, 0)
    timeline.place(packet(0), 1000.0)
    clock.pass_by(20)
    assert not timeline.is_astray(1020.0)
    timeline.place(packet(90_000 * 20), 1020.0)
    assert not timeline.is_astray(1020.04)


def test_packets_that_waited_for_a_slow_disk_are_no_step(clock: StillClock) -> None:
    timeline = Timeline(clock, 0)
    timeline.place(packet(0), 1000.0)
    timeline.settle()
    clock.pass_by(8)  # so much later each is looked at than it came
    for second in range(1, 30):
        clock.pass_by(1)
        assert not timeline.is_astray(1000.0 + second)
        timeline.place(packet(90_000 * second), 1000.0 + second)


SHOWN = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11]
"""Frames in the order they are sent, with two levels of B-frames: up to two overtake another."""


def shown_and_decoded(
    clock: StillClock, times: list[int], *, depth: int = 2, frames_apart: float = 1 / 25
) -> tuple[list[int], list[int]]:
    """As from an RTSP client of one's own: RTP tells when a picture is shown, and nothing else."""
    timeline = Timeline(clock, 0)
    timeline.expect_reordering(depth)
    packets = [packet(None, time) for time in times]
    for number, made in enumerate(packets):
        made.dts = None
        timeline.place(made, 1000 + number * frames_apart)
    shown = [made.pts for made in packets if made.pts is not None]
    decoded = [made.dts for made in packets if made.dts is not None]
    assert len(shown) == len(decoded) == len(times)
    assert all(earlier < later for earlier, later in pairwise(decoded))
    assert all(pts >= dts for pts, dts in zip(shown, decoded, strict=True))
    return [pts - shown[0] for pts in shown], [dts - shown[0] for dts in decoded]


@pytest.mark.parametrize("first", [0, 7, 2**31, 2**33 - 3 * FRAME])
def test_pictures_that_are_sent_out_of_order_are_shown_in_it_and_decoded_as_sent(clock: StillClock, first: int) -> None:
    shown, decoded = shown_and_decoded(clock, [first + frame * FRAME for frame in SHOWN])
    assert shown == [frame * FRAME for frame in SHOWN]
    assert [later - earlier for earlier, later in pairwise(decoded)][2:] == [FRAME] * (len(SHOWN) - 3)


def test_more_room_for_reordering_than_is_used_changes_no_time(clock: StillClock) -> None:
    times = [frame * FRAME for frame in range(10)]
    assert shown_and_decoded(clock, times)[0] == times


@pytest.mark.parametrize("jump", [90_000 * 3600, -90_000 * 3600, -(2**33), -(2**32)])
def test_a_jump_among_pictures_out_of_order_keeps_them_in_order(clock: StillClock, jump: int) -> None:
    after = SHOWN[-1] + 2
    frames = SHOWN + [after + frame for frame in SHOWN]
    times = [2**33 + frame * FRAME + (jump if frame >= after else 0) for frame in frames]
    shown, _ = shown_and_decoded(clock, times)
    assert sorted(range(len(frames)), key=shown.__getitem__) == sorted(range(len(frames)), key=frames.__getitem__)
    assert max(shown) == pytest.approx(max(frames) * FRAME, abs=4 * FRAME)


def test_a_stream_that_begins_to_reorder_goes_on_in_its_time(clock: StillClock) -> None:
    timeline = Timeline(clock, 0)
    frames = [0, 1, 2, 3] + [4 + frame for frame in SHOWN]
    packets = [packet(None, frame * FRAME) for frame in frames]
    for number, made in enumerate(packets):
        if number == 4:
            timeline.expect_reordering(2)
        timeline.place(made, 1000 + number / 25)
    shown, decoded = [made.pts or 0 for made in packets], [made.dts or 0 for made in packets]
    assert [pts - shown[0] for pts in shown] == [frame * FRAME for frame in frames]
    assert all(earlier < later for earlier, later in pairwise(decoded))
    assert all(pts >= dts for pts, dts in zip(shown, decoded, strict=True))


def test_a_clock_that_is_set_back_by_seconds_does_not_squeeze_pictures_together(clock: StillClock) -> None:
    times: list[int | None] = [FRAME * n for n in (100, 101, 102, 52, 53, 54)]
    assert placed(clock, times) == [FRAME * n for n in range(6)]


def test_the_same_time_over_and_over_is_none_and_arrival_tells(clock: StillClock) -> None:
    times = placed(clock, [7] * 50)
    assert times[-1] == pytest.approx(49 * FRAME, abs=2 * FRAME)
    assert max(later - earlier for earlier, later in pairwise(times)) <= 2 * FRAME


def test_timestamps_that_begin_to_tell_something_are_believed_again(clock: StillClock) -> None:
    said: list[int | None] = [7] * 10
    times = placed(clock, said + [90_000 * n // 25 for n in range(1000, 1010)])
    assert [later - earlier for earlier, later in pairwise(times)][-5:] == [FRAME] * 5


@pytest.mark.parametrize(("rtp_info_says", "found"), [(0, 0), (3, 3)])
def test_a_first_picture_without_time_is_shown_a_frame_before_the_others(
    clock: StillClock, rtp_info_says: int, found: int
) -> None:
    timeline = Timeline(clock, 0)
    timeline.expect_reordering(2)
    first = packet(None)
    timeline.place(first, 1000)
    assert not timeline.is_sure(1000)
    for number, frame in enumerate(SHOWN[1:], 1):
        timeline.place(packet(None, (frame + rtp_info_says) * FRAME), 1000 + number / 25)
    assert timeline.is_sure(1001)
    assert first.pts == found * FRAME
    assert (first.dts or 0) <= found * FRAME
