"""Requests in groups: those that arrive while a statement is under way go together into the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar, cast

import asyncpg

from control_plane.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# What PostgreSQL says of one row of many: a value, a key that is gone, a lock that somebody holds.
_OF_ONE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    UnicodeError,
)
_MOST_AT_ONCE = 200
_MOST_WAITING = 5000


class Groups(Generic[Item, Answer]):
    """Does `work` for whoever asks, one group after the other; alone, nobody waits for company.

    `work` gets a group and returns an answer for each item, in order. If PostgreSQL refuses a group because of its
    values, each item is tried alone: nobody fails for what another one sent.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        key: Callable[[Item], Hashable] | None = None,
        at_once: int = 1,
        most: int = _MOST_AT_ONCE,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        """Items with the same `key` never go into one group, but one after the other, in their order.

        So many groups are under way `at_once`, each on a connection of its own: only where order does not matter.
        """
        self._work = work
        self._key = key
        self._at_once = at_once
        self._most = most
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._working: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item) -> Answer:
        """The answer to `item`, once the statement that it went into is committed. Raises what `work` raises."""
        if len(self._waiting) >= self._most_waiting:
            raise Unavailable("The service is overloaded; try again.", retry_after_seconds=2)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if len(self._working) < self._at_once:
            self._working.add(asyncio.create_task(self._work_off(), name="group"))
        return await answer

    async def _work_off(self) -> None:
        try:
            while group := self._next():
                await self._answer(group)
        except asyncio.CancelledError:
            # The loop ends in the middle: nobody would ever answer those who wait.
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting.clear()
            raise
        finally:
            # Not by a callback of the task, which comes later: who asks in between would wait for nobody.
            self._working.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        group: list[tuple[Item, asyncio.Future[Answer]]] = []
        later: list[tuple[Item, asyncio.Future[Answer]]] = []
        keys: set[Hashable] = set()
        while self._waiting and len(group) < self._most:
            asked = self._waiting.popleft()
            if asked[1].done():
                continue  # whoever asked has gone
            if self._key is not None:
                if (key := self._key(asked[0])) in keys:
                    later.append(asked)
                    continue
                keys.add(key)
            group.append(asked)
        self._waiting.extendleft(reversed(later))
        return group

    async def _answer(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._work([item for item, _ in group])
        except _OF_ONE as error:
            if len(group) > 1:
                for asked in group:
                    await self._answer([asked])
                return
            _fail(group, error)
        except Exception as error:  # noqa: BLE001 - it is raised where the answer is waited for
            _fail(group, error)
        else:
            for (_, future), answer in zip(group, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(group: list[tuple[Item, asyncio.Future[Answer]]], error: Exception) -> None:
    for _, future in group:
        if not future.done():
            future.set_exception(error)
