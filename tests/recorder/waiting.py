"""Waiting in tests for what has no event of its own."""

import asyncio
from collections.abc import Callable

LIMIT_SECONDS = 90
"""For what takes a moment: a loaded machine may be late by many seconds, and none of that is a fault."""


async def until(condition: Callable[[], object], seconds: float = LIMIT_SECONDS) -> None:
    """Returns as soon as the condition holds; `TimeoutError` if it never does. It may block, as a database does."""
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - a state that fires no event for tests
            await asyncio.sleep(0.01)
