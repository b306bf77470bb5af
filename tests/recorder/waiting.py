"""Waiting in tests for what has no event of its own."""

import asyncio
from collections.abc import Callable

LIMIT_SECONDS = 20


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns as soon as the condition holds; `TimeoutError` if it never does."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110 - a state of the program under test, which fires no event for tests
            await asyncio.sleep(0.01)
