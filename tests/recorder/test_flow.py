"""How fast uploads may go together, to the byte, in a time that the tests make pass."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import pytest

from recorder.errors import UploadsClosed
from recorder.flow import (
    BURST_SECONDS,
    LARGEST_PIECE,
    LONGEST_TURN_SECONDS,
    PIECES_PER_SECOND,
    SOON_SECONDS,
    Flow,
)
from tests.recorder.virtual_time import in_virtual_time

TWO_MEGABIT = 250_000.0
MINUTE = 60.0
CHUNK = 8 << 20


@dataclass
class Passed:
    """What passed, and when."""

    total: int = 0

    def __post_init__(self) -> None:
        self.moments: list[tuple[float, int]] = []

    def add(self, count: int) -> None:
        self.total += count
        self.moments.append((asyncio.get_running_loop().time(), self.total))


async def upload(flow: Flow, passed: Passed, *, is_urgent: bool = False, answer_seconds: float = 0.0) -> None:
    """Chunk after chunk, with the store's answer in between."""
    while True:
        left = CHUNK
        while left:
            count = await flow.grant(min(left, LARGEST_PIECE), is_urgent=is_urgent)
            passed.add(count)
            left -= count
        await asyncio.sleep(answer_seconds)


async def for_a_while(seconds: float, *uploads: asyncio.Task[None]) -> None:
    await asyncio.sleep(seconds)
    for task in uploads:
        task.cancel()
    await asyncio.gather(*uploads, return_exceptions=True)


@pytest.mark.parametrize("parallel", [1, 4, 16])
@pytest.mark.parametrize("rate", [8_000.0, TWO_MEGABIT, 12_500_000.0])
def test_all_uploads_together_keep_the_limit(rate: float, parallel: int) -> None:
    async def run() -> Passed:
        flow, passed = Flow(), Passed()
        flow.set_limit(rate)
        tasks = [asyncio.create_task(upload(flow, passed)) for _ in range(parallel)]
        await for_a_while(MINUTE, *tasks)
        return passed

    passed = in_virtual_time(run())
    assert passed.total == pytest.approx(rate * MINUTE, rel=0.005)
    assert all(total <= rate * (at + SOON_SECONDS) + 1 for at, total in passed.moments)


def test_what_answers_take_is_made_up_for_and_no_more() -> None:
    async def run(answer_seconds: float) -> Passed:
        flow, passed = Flow(), Passed()
        flow.set_limit(4 * CHUNK)
        await for_a_while(MINUTE, asyncio.create_task(upload(flow, passed, answer_seconds=answer_seconds)))
        return passed

    assert in_virtual_time(run(0.2)).total == pytest.approx(4 * CHUNK * MINUTE, rel=0.03)
    slow = in_virtual_time(run(10 * BURST_SECONDS))
    for at, total in slow.moments:
        before = max((sum_ for then, sum_ in slow.moments if then <= at - 1), default=0)
        assert total - before <= 4 * CHUNK * (1 + BURST_SECONDS) + LARGEST_PIECE


def test_every_upload_has_its_share_of_a_slow_line() -> None:
    async def run() -> list[Passed]:
        flow, shares = Flow(), [Passed() for _ in range(4)]
        flow.set_limit(TWO_MEGABIT)
        await for_a_while(MINUTE, *(asyncio.create_task(upload(flow, share)) for share in shares))
        return shares

    totals = [share.total for share in in_virtual_time(run())]
    assert max(totals) - min(totals) <= TWO_MEGABIT


def test_what_is_urgent_has_the_line_and_the_others_stay_connected() -> None:
    async def run() -> tuple[Passed, Passed]:
        flow, urgent, other = Flow(), Passed(), Passed()
        flow.set_limit(TWO_MEGABIT)
        tasks = [asyncio.create_task(upload(flow, other)) for _ in range(4)]
        tasks.append(asyncio.create_task(upload(flow, urgent, is_urgent=True)))
        await for_a_while(MINUTE, *tasks)
        return urgent, other

    urgent, other = in_virtual_time(run())
    assert urgent.total > 0.9 * TWO_MEGABIT * MINUTE
    waits = [b - a for (a, _), (b, _) in pairwise(other.moments)]
    assert max(waits) <= LONGEST_TURN_SECONDS + 1


def test_a_limit_that_changes_counts_from_the_next_piece() -> None:
    async def run(change: Callable[[Flow], None]) -> tuple[int, int]:
        flow, passed = Flow(), Passed()
        flow.set_limit(TWO_MEGABIT)
        task = asyncio.create_task(upload(flow, passed, answer_seconds=0.1))
        await asyncio.sleep(10)
        before = passed.total
        change(flow)
        await for_a_while(10, task)
        return before, passed.total - before

    before, after = in_virtual_time(run(lambda flow: flow.set_limit(2 * TWO_MEGABIT)))
    assert after == pytest.approx(2 * before, rel=0.02)
    before, after = in_virtual_time(run(lambda flow: flow.set_limit(None)))
    assert after > 20 * before


def test_closing_ends_what_waits_at_once_and_lets_nothing_more_through() -> None:
    async def run() -> tuple[int, int]:
        flow, passed, urgent = Flow(), Passed(), Passed()
        flow.set_limit(TWO_MEGABIT)
        tasks = [asyncio.create_task(upload(flow, passed)) for _ in range(3)]
        await asyncio.sleep(5)
        flow.close()
        at_closing = passed.total
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        before = passed.total
        assert before - at_closing <= TWO_MEGABIT / PIECES_PER_SECOND  # one that was granted already
        assert all(isinstance(one, UploadsClosed) for one in ended)
        with pytest.raises(UploadsClosed):
            await flow.grant(1)
        await for_a_while(5, asyncio.create_task(upload(flow, urgent, is_urgent=True)))
        assert urgent.total > 0
        assert passed.total == before
        flow.open()
        assert await flow.grant(1) == 1
        return before, passed.total

    before, after = in_virtual_time(run())
    assert before == after


def test_an_upload_that_is_cancelled_leaves_its_turn_to_the_next() -> None:
    async def run() -> None:
        flow = Flow()
        flow.set_limit(TWO_MEGABIT)
        first, second = (asyncio.create_task(flow.grant(LARGEST_PIECE)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert await second > 0
        assert first.cancelled()

    in_virtual_time(run())
