"""Groups: who asks while others are being answered goes into the next group, and fails for nobody else's sake."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from control_plane.errors import Unavailable
from control_plane.groups import Groups


class Work:
    """Doubles numbers, a group at a time, once it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.has_begun = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def __call__(self, group: Sequence[int]) -> list[int]:
        self.groups.append(list(group))
        self.has_begun.set()
        await self.goes_on.wait()
        if 13 in group:
            raise asyncpg.DataError("thirteen")
        return [2 * number for number in group]


async def test_who_comes_meanwhile_goes_together() -> None:
    work = Work()
    groups = Groups(work)
    first = asyncio.create_task(groups.ask(1))
    await work.has_begun.wait()
    others = [asyncio.create_task(groups.ask(number)) for number in range(2, 6)]
    await asyncio.sleep(0)
    work.goes_on.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert work.groups == [[1], [2, 3, 4, 5]]


async def test_of_one_subject_one_after_the_other_in_their_order() -> None:
    work = Work()
    work.goes_on.set()
    groups = Groups(work, key=lambda number: number % 10)
    asked = [asyncio.create_task(groups.ask(number)) for number in (1, 2, 11, 3, 21)]
    assert await asyncio.gather(*asked) == [2, 4, 22, 6, 42]
    assert work.groups == [[1, 2, 3], [11], [21]]


async def test_two_groups_are_under_way_where_order_does_not_matter() -> None:
    work = Work()
    groups = Groups(work, at_once=2)
    first = asyncio.create_task(groups.ask(1))
    await work.has_begun.wait()
    second = asyncio.create_task(groups.ask(2))
    while len(work.groups) < 2:  # noqa: ASYNC110 - a count, no event
        await asyncio.sleep(0)
    third = asyncio.create_task(groups.ask(3))
    work.goes_on.set()
    assert [await first, await second, await third] == [2, 4, 6]
    assert work.groups == [[1], [2], [3]]
    assert await groups.ask(4) == 8


async def test_a_value_that_is_refused_fails_alone() -> None:
    work = Work()
    work.goes_on.set()
    groups = Groups(work)
    answers = await asyncio.gather(*(groups.ask(number) for number in (1, 13, 2)), return_exceptions=True)
    assert answers[0::2] == [2, 4]
    assert isinstance(answers[1], asyncpg.DataError)


async def test_who_goes_away_is_left_out_and_holds_up_nobody() -> None:
    work = Work()
    groups = Groups(work)
    first = asyncio.create_task(groups.ask(1))
    gone, stays = asyncio.create_task(groups.ask(2)), asyncio.create_task(groups.ask(3))
    await work.has_begun.wait()
    late = asyncio.create_task(groups.ask(4))
    await asyncio.sleep(0)
    late.cancel()
    gone.cancel()
    await asyncio.wait([late, gone])
    work.goes_on.set()
    assert [await first, await stays] == [2, 6]
    assert 4 not in [number for group in work.groups for number in group]


async def test_more_than_can_wait_are_told_to_come_back() -> None:
    work = Work()
    groups = Groups(work, most_waiting=2)
    first = asyncio.create_task(groups.ask(1))
    await work.has_begun.wait()
    waiting = [asyncio.create_task(groups.ask(number)) for number in (2, 3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await groups.ask(4)
    work.goes_on.set()
    assert await asyncio.gather(first, *waiting) == [2, 4, 6]
