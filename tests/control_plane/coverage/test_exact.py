"""PostgreSQL's account of a camera's days is that of a plain model, to the microsecond, also when clocks change."""

import uuid
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from camfleet_contract.gaps import GapCause
from camfleet_contract.schedules import ScheduleRule, ScheduleType, Weekday, problems
from control_plane.coverage.days import account_of, days_between, site_day
from control_plane.coverage.measurement import PRECEDENCE, CameraDay
from control_plane.models import Gap, Segment, SegmentState, Version
from control_plane.services import Services
from tests.control_plane.coverage.model import Held, Life, Missed, Ruled, expected

EXAMPLES = 50
TURNS = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Africa/Cairo", date(2026, 4, 24)),  # the day begins at 01:00
    ("America/Havana", date(2026, 11, 1)),  # the hour after midnight comes twice
    ("Africa/Casablanca", date(2026, 2, 15)),
    ("Asia/Kolkata", date(2026, 6, 1)),
]
DAYS = 3
RECORDERS = [uuid7(), uuid7()]
HOLES = [timedelta(seconds=seconds) for seconds in (0, 0, 0.04, 0.25, 0.250001, 0.3, 5, -1)]
LENGTHS = [timedelta(seconds=0.1), timedelta(minutes=1), timedelta(minutes=15), timedelta(hours=7)]
TIMES = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 30, 59]))


@st.composite
def rules(draw: st.DrawFn, day: date) -> ScheduleRule:
    kind = draw(st.sampled_from(ScheduleType))
    nearby = st.integers(-1, 2).map(lambda number: day + timedelta(days=number))
    rule = ScheduleRule(
        schedule_type=kind,
        start_time=draw(TIMES),
        end_time=draw(TIMES),
        start_date=draw(nearby if kind is ScheduleType.ONCE else st.none() | nearby),
        end_date=draw(st.none() | nearby),
        days_of_week=draw(st.lists(st.sampled_from(Weekday), min_size=1)) if kind is ScheduleType.WEEKLY else [],
        is_active=draw(st.sampled_from([True, True, True, False])),
    )
    assume(not problems(rule))
    return rule


@st.composite
def footage(draw: st.DrawFn, moments: st.SearchStrategy[datetime]) -> list[Held]:
    """Segments of a run, with and without holes between them that count."""
    at, held = draw(moments), []
    for _ in range(draw(st.integers(1, 6))):
        start = at + draw(st.sampled_from(HOLES))
        at = start + draw(st.sampled_from(LENGTHS))
        held.append(Held(draw(st.sampled_from(RECORDERS)), start, at, draw(st.sampled_from(SegmentState))))
    return held


@st.composite
def lives(draw: st.DrawFn) -> tuple[Life, date, datetime]:
    """A camera around a day on which its clock changes, and the moment from which that is looked at."""
    timezone, day = draw(st.sampled_from(TURNS))
    noon = datetime.combine(day, time(12), UTC)
    # Whole quarters of an hour meet the schedules' edges.
    moments = st.integers(-130, 200).map(lambda quarters: noon + timedelta(minutes=15 * quarters))
    spells = st.builds(lambda one, other: (min(one, other), max(one, other)), moments, moments)
    runs = draw(st.lists(footage(moments), max_size=3))
    edges = st.sampled_from([moment for run in runs for held in run for moment in (held.start, held.end)] or [noon])
    gaps = st.builds(
        lambda client, start, length, cause: Missed(client, start, start + length, cause),
        st.sampled_from(RECORDERS),
        moments | edges,
        st.sampled_from(LENGTHS),
        st.sampled_from(GapCause),
    )
    life = Life(
        timezone,
        draw(st.lists(spells, min_size=1, max_size=2, unique_by=lambda spell: spell[0])),
        [Ruled(draw(rules(day)), *draw(spells)) for _ in range(draw(st.integers(0, 3)))],
        [held for run in runs for held in run],
        draw(st.lists(gaps, max_size=6)),
    )
    return life, day, draw(st.just(noon + timedelta(days=9)) | moments)


def test_every_cause_has_its_place() -> None:
    assert sorted(PRECEDENCE) == sorted(GapCause)


@pytest.mark.timeout(120)
@given(lives())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
async def test_the_account_is_that_of_a_plain_model(
    services: Services, given_life: tuple[Life, date, datetime]
) -> None:
    life, day, now = given_life
    async with services.sessions() as session:
        camera_id = await lived(session, life)
        days = [
            CameraDay(camera_id, one, site_day(one, life.timezone))
            for one in days_between(day, day + timedelta(days=DAYS - 1))
        ]
        found = await account_of(session, days, now)
        # What is asked by itself, or with a day between, is the same.
        assert await account_of(session, [days[0], days[-1]], now) == {
            (one.camera_id, one.day): found[one.camera_id, one.day] for one in (days[0], days[-1])
        }
    assert found == {(one.camera_id, one.day): expected(life, one.span, now) for one in days}


async def test_a_hole_at_midnight_is_as_small_by_whichever_day_it_is_asked(services: Services) -> None:
    day = date(2026, 6, 1)
    begins, ends = site_day(day, "Asia/Kolkata")
    minute, instant = timedelta(minutes=1), timedelta(milliseconds=40)
    segments = [
        Held(RECORDERS[0], begins - minute, begins - instant / 2, "stored"),
        Held(RECORDERS[0], begins + instant / 2, begins + minute, "stored"),
        Held(RECORDERS[0], ends - minute, ends, "stored"),
        Held(RECORDERS[0], ends + instant, ends + minute, "stored"),
    ]
    always = ScheduleRule(schedule_type=ScheduleType.CONTINUOUS, start_time=time(0), end_time=time(0))
    week = (begins - timedelta(days=3), ends + timedelta(days=3))
    life = Life("Asia/Kolkata", [week], [Ruled(always, *week)], segments, [])
    async with services.sessions() as session:
        camera_id = await lived(session, life)
        days = [
            CameraDay(camera_id, one, site_day(one, life.timezone)) for one in days_between(day, day + timedelta(1))
        ]
        for one in days:
            found = await account_of(session, [one], ends + timedelta(days=3))
            assert found[camera_id, one.day] == expected(life, one.span, ends + timedelta(days=3))
    assert found[camera_id, one.day].stored == 60


async def lived(session: AsyncSession, life: Life) -> uuid.UUID:
    """A camera to which all that happened, in a transaction that is never committed."""
    # Neither sites nor cameras are needed to tell what they said, nor recordings for their segments.
    await session.execute(text("SET LOCAL session_replication_role = replica"))
    camera_id, site_id, since = uuid7(), uuid7(), datetime(2020, 1, 1, tzinfo=UTC)
    session.add(said(site_id, None, (since, None), timezone=life.timezone))
    for spell in life.recorded:
        session.add(said(camera_id, site_id, spell, is_active=True, recording_mode="local_client"))
    for ruled in life.schedules:
        session.add(said(uuid7(), camera_id, (ruled.since, ruled.until), **ruled.rule.model_dump(mode="json")))
    session.add_all(segment(camera_id, held) for held in life.segments)
    session.add_all(
        Gap(
            camera_id=camera_id,
            started_at=gap.start,
            id=uuid7(),
            ended_at=gap.end,
            client_id=gap.client,
            cause=gap.cause,
        )
        for gap in life.gaps
    )
    await session.flush()
    return camera_id


def said(
    subject_id: uuid.UUID, owner_id: uuid.UUID | None, span: tuple[datetime, datetime | None], **values: Any
) -> Version:
    since, until = span
    return Version(subject_id=subject_id, owner_id=owner_id, since=since, until=until, said=values)


def segment(camera_id: uuid.UUID, held: Held) -> Segment:
    return Segment(
        id=uuid7(),
        camera_id=camera_id,
        recording_id=uuid7(),
        client_id=held.client,
        started_at=held.start,
        ended_at=held.end,
        state=held.state,
        size_bytes=1,
        crc32c="yZRlqg==",
        sha256="9f" * 32,
        codec="h264",
        packets=1,
        object_name="x",
    )
