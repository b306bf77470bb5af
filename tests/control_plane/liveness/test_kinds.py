"""Each kind of trouble on a real database: told once, over once, through flapping, restarts, absences and replicas."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from control_plane.liveness.kinds import PATIENCE, Kind
from control_plane.liveness.watch import Noted
from control_plane.services import Services
from tests.control_plane.liveness.yard import HOUR, MINUTE, NOW, OURS, Yard, make_yard, written

Says = Callable[[Yard, datetime], Awaitable[None]]


@dataclass(frozen=True)
class Cause:
    """What a recorder says while something is wrong, and while it is right."""

    kind: Kind
    wrong: Says
    right: Says
    seen_within: timedelta = 2 * MINUTE
    """After what was right it takes that long to be seen again."""

    def __str__(self) -> str:
        return self.kind


def problem(code: str) -> Says:
    async def says(yard: Yard, at: datetime) -> None:
        told = {"code": code, "text": "What to do.", "since": written(NOW - HOUR)}
        await yard.says(at, "recording", problems=[told])

    return says


async def well(yard: Yard, at: datetime) -> None:
    await yard.says(at, "recording", sequence=1000)


async def silent(yard: Yard, at: datetime) -> None:
    await yard.calls(at - 10 * MINUTE)


async def older(yard: Yard, at: datetime) -> None:
    await yard.says(at, "recording", version="0.0.9")


async def at_risk(yard: Yard, at: datetime) -> None:
    told = {"since": written(NOW - HOUR), "loss_at": written(at + HOUR), "rule": "disk"}
    await yard.says(at, "recording", at_risk=told)


async def behind(yard: Yard, at: datetime) -> None:
    size = int((at - NOW).total_seconds()) + 1_000_000
    await yard.says(at, "recording", backlog={"segments": 20, "bytes": size, "oldest": written(at - HOUR)})


async def caught_up(yard: Yard, at: datetime) -> None:
    await yard.says(at, "recording", backlog={"segments": 1, "bytes": 1000, "oldest": written(at - MINUTE)})


async def unreachable(yard: Yard, at: datetime) -> None:
    await yard.says(at, cameras=[yard.state("unreachable", NOW - HOUR)])


async def idle(yard: Yard, at: datetime) -> None:
    await yard.says(at, "idle")


CAUSES = [
    Cause(Kind.OFFLINE, silent, well),
    Cause(Kind.DISK, problem("disk_missing"), well),
    Cause(Kind.CLOCK, problem("clock_wrong"), well),
    Cause(Kind.VERSION, older, well),
    Cause(Kind.BACKLOG, behind, caught_up, seen_within=13 * MINUTE),
    Cause(Kind.AT_RISK, at_risk, well),
    Cause(Kind.DOWN, unreachable, well),
    Cause(Kind.NOT_RECORDING, idle, well),
]


def test_no_kind_is_forgotten() -> None:
    assert [cause.kind for cause in CAUSES] == list(Kind)


async def goes_on(yard: Yard, says: Says, begin: datetime, length: timedelta) -> datetime:
    """The recorder says the same for a while, and each time it is looked at; when that is over."""
    step = max(MINUTE, length / 6)
    moments = [begin + number * step for number in range(length // step + 1)]
    for at in moments:
        await says(yard, at)
        await yard.look(at)
    return moments[-1]


@pytest.mark.parametrize("cause", CAUSES, ids=str)
async def test_each_kind_begins_once_and_ends_once(due_yard: Yard, cause: Cause) -> None:
    yard, patience = due_yard, PATIENCE[cause.kind]
    await goes_on(yard, well, NOW, 2 * MINUTE)
    assert await yard.events() == []
    at = await goes_on(yard, cause.wrong, NOW + HOUR, patience.grace + 2 * MINUTE)
    (event,) = await yard.events()
    assert (event.kind, event.ended_at, event.is_lasting) == (str(cause.kind), None, True)
    assert event.detail["name"] in {"Box", "Yard"}
    # Flapping: right for less than it takes to be believed, and wrong again.
    for _ in range(2):
        at = await goes_on(yard, cause.right, at, patience.calm * 0.8)
        at = await goes_on(yard, cause.wrong, at, cause.seen_within)
    right_at = at
    at = await goes_on(yard, cause.right, right_at, patience.calm * 2 + MINUTE)
    (over,) = await yard.events()
    assert (over.id, over.occurred_at) == (event.id, event.occurred_at)
    assert over.ended_at is not None
    assert right_at <= over.ended_at < right_at + patience.calm
    assert await yard.troubles() == []
    await goes_on(yard, well, at, MINUTE)
    assert len(await yard.events()) == 1


@pytest.mark.parametrize("cause", CAUSES, ids=str)
async def test_two_replicas_that_look_at_once_tell_it_once(services: Services, cause: Cause) -> None:
    yard, patience = await make_yard(services, is_due=True), PATIENCE[cause.kind]
    noted = []

    async def both(at: datetime) -> None:
        noted.extend(await asyncio.gather(*(yard.look(at) for _ in range(3))))

    step = max(2 * MINUTE, patience.grace / 5)
    at = NOW + HOUR
    for says, length in ((cause.wrong, patience.grace + 2 * step), (cause.right, 2 * patience.calm + 2 * step)):
        end = at + length
        while at < end:
            await says(yard, at)
            await both(at)
            at += step
    assert (sum(one.begun for one in noted), sum(one.ended for one in noted)) == (1, 1)
    (event,) = await yard.events()
    assert event.ended_at is not None


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause.kind is not Kind.OFFLINE], ids=str)
async def test_an_absence_of_the_recorder_neither_ends_nor_repeats_its_troubles(due_yard: Yard, cause: Cause) -> None:
    yard, patience = due_yard, PATIENCE[cause.kind]
    at = await goes_on(yard, cause.wrong, NOW, patience.grace + 2 * MINUTE)
    (event,) = await yard.events()
    for minute in range(0, 120, 20):
        await yard.look(at + minute * MINUTE)
    silence, known = await yard.events(Kind.OFFLINE), await yard.events(cause.kind)
    assert ([one.ended_at for one in silence], [one.id for one in known]) == ([None], [event.id])
    assert len(await yard.events()) == 2, "the silence, and nothing that follows from it"
    at = await goes_on(yard, cause.wrong, at + 2 * HOUR, 40 * MINUTE)
    await goes_on(yard, cause.right, at, 2 * patience.calm + MINUTE)
    ended = {one.kind: one.ended_at for one in await yard.events()}
    assert set(ended) == {"client.offline", str(cause.kind)}
    assert None not in ended.values()


async def test_a_recorder_that_has_just_been_started_has_not_foreseen_yet(yard: Yard) -> None:
    at = await goes_on(yard, at_risk, NOW, 2 * MINUTE)

    async def restarted(yard: Yard, at: datetime) -> None:
        await yard.says(at, sequence=5)

    at = await goes_on(yard, restarted, at, 50 * MINUTE)
    await goes_on(yard, at_risk, at, 2 * MINUTE)
    (event,) = await yard.events()
    assert event.ended_at is None


async def test_a_backlog_outside_the_upload_hours_is_as_planned(yard: Yard) -> None:
    async def closed(yard: Yard, at: datetime) -> None:
        size = int((at - NOW).total_seconds()) + 1_000_000
        backlog = {"segments": 20, "bytes": size, "oldest": written(at - HOUR)}
        await yard.says(at, backlog=backlog, uplink={"is_open": False})

    await goes_on(yard, closed, NOW, 2 * HOUR)
    assert (await yard.events(), await yard.mark()) == ([], None)


@pytest.mark.parametrize(
    ("theirs", "advice"), [("0.0.9", "upgrade the recorder"), ("1.0.0", "upgrade the control plane"), ("0.1.7", "")]
)
async def test_versions_that_differ_in_what_matters_are_told(yard: Yard, theirs: str, advice: str) -> None:
    for hour in range(26):
        await yard.says(NOW + hour * HOUR, version=theirs)
        await yard.look(NOW + hour * HOUR, version=OURS)
    assert [event.detail["reason"] for event in await yard.events()] == ([advice] if advice else [])


@pytest.mark.parametrize(
    "heartbeat",
    [
        {"problems": "many"},
        {"problems": ["disk"], "cameras": []},
        {"problems": [{"code": 3}, {"since": 4}], "at_risk": [], "version": "new", "sequence": "x"},
        {"problems": [{"code": "disk_missing", "since": "x"}], "backlog": {"oldest": "2000", "bytes": "x"}},
        {"cameras": [{"camera_id": 3, "condition": "asleep", "since": "yesterday"}], "clock": "late"},
    ],
)
async def test_nothing_that_a_recorder_says_breaks_the_look(yard: Yard, heartbeat: dict[str, Any]) -> None:
    await yard.says(NOW, **heartbeat)
    assert await yard.look(NOW) == Noted()
    await yard.calls(NOW)
    assert (await yard.look(NOW + HOUR)).begun == 1, "and the silence of others is still noticed"
