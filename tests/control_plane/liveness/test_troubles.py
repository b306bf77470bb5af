"""From one look to the next: grace, calm, and never two events of one cause. Pure."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.liveness.backlogs import BETWEEN, OLD, Mark, Waiting, judged
from control_plane.liveness.kinds import PATIENCE, Kind
from control_plane.liveness.troubles import Key, Look, Trouble, Verdict, changes

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
TICK = 15 * SECOND
SUBJECT = uuid.UUID(int=7)


class Story:
    """Looks at one subject, tick by tick, with what was written down."""

    def __init__(self, kind: Kind) -> None:
        self.key: Key = (kind, SUBJECT)
        self.now = NOW
        self.known: dict[Key, Trouble] = {}
        self.told: list[tuple[datetime, datetime | None]] = []

    def look(self, look: Look, since: datetime | None = None, not_before: datetime | None = None) -> None:
        found = changes(self.known, [Verdict(self.key, look, since, not_before)], self.now)
        for end in found.ends:
            assert self.told[-1] == (end.trouble.began_at, None)
            self.told[-1] = (end.trouble.began_at, end.ended_at)
        for trouble in found.over:
            del self.known[trouble.key]
        self.known |= {trouble.key: trouble for trouble in found.kept}
        self.told += [(begin.trouble.began_at, None) for begin in found.begins]
        again = changes(self.known, [Verdict(self.key, look, since, not_before)], self.now)
        assert (again.kept, again.over, again.begins, again.ends) == ([], [], [], []), "a repeat changes nothing"
        self.now += TICK

    def looks(self, look: Look, length: timedelta) -> None:
        for _ in range(length // TICK):
            self.look(look)


@pytest.mark.parametrize("kind", list(Kind))
def test_what_stays_is_told_once_and_ends_once(kind: Kind) -> None:
    patience = PATIENCE[kind]
    story = Story(kind)
    story.looks(Look.WRONG, patience.grace)
    if patience.grace:
        assert story.told == [], "within the grace it is nothing"
    story.looks(Look.WRONG, MINUTE)
    assert story.told == [(NOW, None)]
    was_right_at = story.now
    story.looks(Look.RIGHT, patience.calm)
    assert story.told == [(NOW, None)], "and it isn't over at once"
    story.looks(Look.RIGHT, MINUTE)
    assert story.told == [(NOW, was_right_at)]
    assert story.known == {}


@pytest.mark.parametrize("kind", list(Kind))
def test_what_comes_and_goes_is_one_event(kind: Kind) -> None:
    patience = PATIENCE[kind]
    story = Story(kind)
    story.look(Look.WRONG, since=NOW - patience.grace)
    for _ in range(20):
        story.looks(Look.RIGHT, patience.calm - TICK)
        story.looks(Look.WRONG, 2 * TICK)
    assert story.told == [(NOW - patience.grace, None)]
    was_right_at = story.now
    story.looks(Look.RIGHT, patience.calm + TICK)
    assert story.told == [(NOW - patience.grace, was_right_at)]


@pytest.mark.parametrize("kind", [kind for kind in Kind if PATIENCE[kind].grace])
def test_what_was_away_for_as_long_as_it_must_last_was_nothing(kind: Kind) -> None:
    story = Story(kind)
    for _ in range(3):
        story.look(Look.WRONG)
        story.looks(Look.RIGHT, PATIENCE[kind].grace + TICK)
        assert story.known == {}
    assert story.told == []


def test_nothing_begins_or_ends_while_nobody_can_tell() -> None:
    story = Story(Kind.DOWN)
    story.looks(Look.UNKNOWN, MINUTE)
    assert story.known == {}
    story.look(Look.WRONG)
    story.looks(Look.UNKNOWN, 60 * MINUTE)
    assert story.told == []
    story.look(Look.WRONG)
    assert story.told == [(NOW + MINUTE, None)], "it began when it was first seen"
    right_at = story.now
    story.look(Look.RIGHT)
    story.looks(Look.UNKNOWN, 60 * MINUTE)
    assert story.told == [(NOW + MINUTE, None)]
    story.look(Look.RIGHT)
    assert story.told == [(NOW + MINUTE, right_at)]


def test_what_is_taken_out_of_service_ends_at_once() -> None:
    story = Story(Kind.DOWN)
    story.looks(Look.WRONG, MINUTE)
    gone_at = story.now
    story.look(Look.GONE)
    assert story.told == [(NOW, gone_at)]
    story.look(Look.WRONG)
    story.look(Look.GONE)
    assert (len(story.told), story.known) == (1, {})


def test_a_begin_in_the_future_is_now_and_an_earlier_one_shortens_the_grace() -> None:
    story = Story(Kind.DOWN)
    story.look(Look.WRONG, since=NOW + 60 * MINUTE)
    assert story.known[story.key].began_at == NOW
    other = Story(Kind.DOWN)
    other.look(Look.WRONG, since=NOW - 60 * MINUTE)
    assert other.told == [(NOW - 60 * MINUTE, None)]


def test_a_new_camera_gets_its_time() -> None:
    story = Story(Kind.DOWN)
    for _ in range(8):
        story.look(Look.WRONG, since=NOW - MINUTE, not_before=NOW + 2 * MINUTE)
    assert story.told == []
    story.look(Look.WRONG, since=NOW - MINUTE, not_before=NOW + 2 * MINUTE)
    assert story.told == [(NOW - MINUTE, None)]


@given(
    st.sampled_from(Kind),
    st.lists(st.tuples(st.sampled_from(Look), st.integers(1, 100)), max_size=20),
)
def test_whatever_happens_events_of_one_kind_follow_each_other(kind: Kind, parts: list[tuple[Look, int]]) -> None:
    story = Story(kind)
    for look, ticks in parts:
        story.looks(look, ticks * TICK)
    for (began, ended), (next_began, _) in zip(story.told, story.told[1:], strict=False):
        assert ended is not None
        assert began <= ended <= next_began
    is_open = bool(story.told) and story.told[-1][1] is None
    assert is_open == any(trouble.is_told for trouble in story.known.values())


def waiting(size: int, *, is_open: bool = True) -> Waiting:
    return Waiting(size, 10, NOW - OLD, is_open=is_open)


def test_a_backlog_grows_when_the_next_measurement_finds_more() -> None:
    first = judged(None, waiting(100), NOW)
    assert first == Mark(NOW, 100)
    assert judged(first, waiting(500), NOW + BETWEEN - SECOND) == first, "not yet"
    second = judged(first, waiting(101), NOW + BETWEEN)
    assert second == Mark(NOW + BETWEEN, 101, growing_since=NOW, is_judged=True)
    third = judged(second, waiting(500), NOW + 2 * BETWEEN)
    assert third == Mark(NOW + 2 * BETWEEN, 500, growing_since=NOW, is_judged=True)
    assert judged(third, waiting(500), NOW + 3 * BETWEEN) == Mark(NOW + 3 * BETWEEN, 500, None, is_judged=True)


def test_a_backlog_of_before_an_absence_is_not_compared() -> None:
    assert judged(Mark(NOW, 100), waiting(900), NOW + 4 * BETWEEN) == Mark(NOW + 4 * BETWEEN, 900)


def test_a_young_backlog_and_one_outside_the_upload_hours_are_not_measured() -> None:
    young = Waiting(100, 10, NOW - OLD + SECOND)
    assert judged(Mark(NOW, 1), young, NOW) is None
    assert judged(Mark(NOW, 1), waiting(100, is_open=False), NOW) is None
    assert judged(Mark(NOW, 1), None, NOW) is None
