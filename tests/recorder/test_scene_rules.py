"""What frame sizes mean: judged by what is usual for the camera, begun and ended once, silent when in doubt."""

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest
from av.packet import Packet
from av.stream import Stream
from hypothesis import given
from hypothesis import strategies as st

from recorder.scenes.rules import Began, Change, Ended, Rules, Scene, Signal, fade, observe
from recorder.scenes.tally import Gop, Tally

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Rules()
MEASURED = json.loads((Path(__file__).parent / "frame_sizes.json").read_text("utf-8"))
ENCODERS = set(next(iter(MEASURED.values())))


def gops(*facts: tuple[int, float], seconds: float = 2.0, start: datetime = NOON, stream: int = 0) -> list[Gop]:
    """Of each the keyframe's bytes and the mean of its 49 other frames."""
    return [
        Gop(start + timedelta(seconds=number * seconds), seconds, keyframe, round(49 * delta), 49, stream)
        for number, (keyframe, delta) in enumerate(facts)
    ]


def lively(count: int) -> list[tuple[int, float]]:
    """An ordinary camera: no two keyframes have the same size."""
    return [(100_000 + 977 * (number % 7), 4000.0) for number in range(count)]


def changes(seen: Iterable[Gop], rules: Rules = RULES) -> list[Change]:
    scene, found = Scene(), list[Change]()
    for gop in seen:
        scene, more = observe(scene, gop, rules)
        found += more
    return found


def told(found: Iterable[Change]) -> list[tuple[type[Change], Signal, float]]:
    """With the seconds since noon."""
    return [(type(change), change.signal, (change.at - NOON).total_seconds()) for change in found]


def test_a_covered_camera_is_told_with_its_numbers_and_so_is_its_end() -> None:
    found = changes(gops(*lively(40), *[(4000, 90.0)] * 10, *lively(10)))
    assert told(found) == [(Began, Signal.COVERED, 80), (Ended, Signal.COVERED, 100)]
    began = found[0]
    assert isinstance(began, Began)
    assert began.usual == {"keyframe_bytes": pytest.approx(102_931, rel=0.01), "delta_bytes": 4000}
    assert began.seen == {"keyframe_bytes": 4000, "delta_bytes": 90}


def test_a_picture_that_stands_still_is_told() -> None:
    found = changes(gops(*lively(40), *[(104_000, 40.0)] * 15, *lively(10)))
    assert told(found) == [(Began, Signal.FROZEN, 82), (Ended, Signal.FROZEN, 110)]


def test_a_quiet_scene_is_no_frozen_one_since_noise_makes_no_two_keyframes_alike() -> None:
    quiet = [(104_000 + 50 * (number % 2), 40.0) for number in range(100)]
    assert changes(gops(*lively(40), *quiet)) == []


def test_a_camera_whose_picture_usually_stands_still_is_none_that_froze() -> None:
    assert changes(gops(*[(104_000, 40.0)] * 200)) == []


def test_a_smart_codec_is_told_when_keyframes_become_rare() -> None:
    rare = gops(*lively(10), seconds=20, start=NOON + timedelta(seconds=80))
    back = gops(*lively(10), start=NOON + timedelta(seconds=280))
    found = changes([*gops(*lively(40)), *rare, *back])
    assert told(found) == [(Began, Signal.SMART_CODEC, 80), (Ended, Signal.SMART_CODEC, 280)]
    assert isinstance(found[0], Began)
    assert (found[0].usual, found[0].seen) == ({"keyframe_seconds": 2.0}, {"keyframe_seconds": 20.0})


def test_a_lost_keyframe_now_and_then_is_no_smart_codec() -> None:
    seen, at = [], NOON
    for number in range(300):
        seconds = 4.0 if number % 7 < 2 else 2.0
        seen += gops(lively(8)[number % 8], seconds=seconds, start=at)
        at += timedelta(seconds=seconds)
    assert changes(seen) == []


def test_nothing_is_said_before_enough_was_seen() -> None:
    assert changes(gops(*lively(10), *[(4000, 90.0)] * 30)) == []
    assert changes(gops(*lively(100), *[(4000, 90.0)] * 10, seconds=0.1)) == []


def test_a_short_shadow_begins_nothing_and_half_a_return_ends_nothing() -> None:
    assert changes(gops(*lively(40), *[(4000, 90.0)] * 2, *lively(40))) == []
    halfway = [(40_000, 90.0)] * 20
    found = changes(gops(*lively(40), *[(4000, 90.0)] * 10, *halfway))
    assert told(found) == [(Began, Signal.COVERED, 80)]


def test_what_stays_for_half_a_day_has_become_usual() -> None:
    day = gops(*lively(40), *[(4000 + number % 5, 90.0) for number in range(30_000)])
    assert told(changes(day)) == [(Began, Signal.COVERED, 80), (Ended, Signal.COVERED, 80 + 12 * 3600)]


def test_other_parameter_sets_and_a_long_pause_begin_anew() -> None:
    before, small = gops(*lively(40)), [(4000 + number % 5, 90.0) for number in range(60)]
    assert changes([*before, *gops(*small, start=NOON + timedelta(seconds=80), stream=1)]) == []
    assert changes([*before, *gops(*small, start=NOON + timedelta(hours=1))]) == []


def test_what_was_on_when_nothing_more_came_ends_with_what_was_last_seen() -> None:
    scene = Scene()
    for gop in gops(*lively(40), *[(4000, 90.0)] * 10):
        scene, _ = observe(scene, gop, RULES)
    last = NOON + timedelta(seconds=100)
    assert fade(scene, last + timedelta(minutes=9), RULES) == (scene, ())
    forgotten, ended = fade(scene, last + timedelta(minutes=11), RULES)
    assert ended == (Ended(Signal.COVERED, last),)
    assert forgotten == Scene()


ANY_GOP = st.tuples(
    st.integers(1, 400_000) | st.sampled_from([1000, 100_000]),
    st.floats(0, 20_000),
    st.floats(0.04, 90),
    st.sampled_from([0] * 9 + [1]),
)


@given(st.lists(ANY_GOP, max_size=120), st.sampled_from([RULES, replace(RULES, least_gops=3, least_seconds=1)]))
def test_whatever_comes_every_signal_begins_before_it_ends_and_never_twice(
    facts: list[tuple[int, float, float, int]], rules: Rules
) -> None:
    at, seen = NOON, []
    for keyframe, delta, seconds, stream in facts:
        seen.append(Gop(at, seconds, keyframe, round(9 * delta), 9, stream))
        at += timedelta(seconds=seconds)
    for signal in Signal:
        own = [change for change in changes(seen, rules) if change.signal is signal]
        kinds = [type(change) for change in own]
        assert kinds == [Began, Ended] * (len(kinds) // 2) + [Began] * (len(kinds) % 2)
        assert [change.at for change in own] == sorted(change.at for change in own)


@given(st.lists(st.tuples(st.floats(0.6, 1.5), st.floats(0.1, 12), st.floats(0.8, 1.3)), max_size=150))
def test_an_ordinary_camera_with_much_and_little_movement_says_nothing(facts: list[tuple[float, float, float]]) -> None:
    at, seen = NOON, []
    for number, (size, movement, distance) in enumerate(facts):
        keyframe = round(80_000 * size) + 20 * (number % 2)
        seen.append(Gop(at, 2 * distance, keyframe, round(49 * 1500 * movement), 49))
        at += timedelta(seconds=2 * distance)
    assert changes(seen) == []


EXPECTED: dict[str, tuple[Signal, set[str]]] = {
    "busy, frozen": (Signal.FROZEN, {"H.264 VBR", "H.264 fixed QP", "H.265 VBR"}),
    "quiet, frozen": (Signal.FROZEN, {"H.264 VBR", "H.264 fixed QP", "H.265 VBR"}),
    "noisy night, frozen": (Signal.FROZEN, {"H.264 VBR", "H.264 fixed QP", "H.265 VBR"}),
    "clean quiet night, frozen": (Signal.FROZEN, {"H.264 VBR", "H.264 fixed QP", "H.265 VBR"}),
    "busy, covered": (Signal.COVERED, ENCODERS),
    "busy, covered with gain noise": (Signal.COVERED, ENCODERS),
    "busy, covered by something bright": (Signal.COVERED, ENCODERS),
    "busy, lights fading to 15 %": (Signal.COVERED, {"H.264 fixed QP", "H.265 VBR"}),
    "night, dark": (Signal.COVERED, {"H.264 VBR", "H.264 fixed QP", "H.265 VBR"}),
}
"""What is told of the encoded scenes; of all others, and with all other encoders, nothing."""


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_of_really_encoded_scenes_it_tells_what_the_page_says_and_nothing_else(name: str, encoder: str) -> None:
    sizes = MEASURED[name][encoder]
    before, after = sizes["before"], sizes["after"]
    seen = [
        Gop(NOON + timedelta(seconds=2 * number), 2.0, *facts)
        for number, facts in enumerate([*before * 3, *after, *before])
    ]
    changed_at = NOON + timedelta(seconds=2 * 3 * len(before))
    signal, encoders = EXPECTED.get(name, (None, set()))
    found = changes(seen)
    if encoder not in encoders:
        assert found == []
        return
    assert {change.signal for change in found} == {signal}
    assert [kind for kind, _ in groupby(type(change) for change in found)] == [Began, Ended] * (len(found) // 2)
    assert all(change.at >= changed_at for change in found)


def packet(size: int, *, is_keyframe: bool) -> "Packet[Stream]":
    made: Packet[Stream] = Packet(size)
    made.is_keyframe = is_keyframe
    return made


def test_a_tally_counts_whole_gops_and_forgets_what_broke_off() -> None:
    tally = Tally()
    for second, size, is_keyframe in ((0.0, 900, True), (0.1, 10, False), (0.2, 30, False), (1.0, 800, True)):
        tally.frame(packet(size, is_keyframe=is_keyframe), NOON + timedelta(seconds=second), second, b"sets")
    assert tally.taken() == [Gop(NOON, 1.0, 900, 40, 2, 0)]
    assert tally.taken() == []
    for number in range(51):
        tally.frame(packet(5000 + number, is_keyframe=True), NOON, 10 + number / 25, None)
    assert [(round(gop.seconds, 2), gop.keyframe_bytes, gop.deltas) for gop in tally.taken()][1:] == [
        (0.56, 5000, 0),
        (0.56, 5014, 0),
        (0.56, 5028, 0),
    ], "motion JPEG has nothing but keyframes"
    tally.interrupted()
    for second, sets in ((5.0, b"sets"), (6.0, b"other"), (7.0, b"other")):
        tally.frame(packet(700, is_keyframe=True), NOON + timedelta(seconds=second), second, sets)
    assert [(gop.start, gop.stream) for gop in tally.taken()] == [
        (NOON + timedelta(seconds=5), 0),
        (NOON + timedelta(seconds=6), 1),
    ]
