"""Contexts that must be entered and left in one task, in fixtures that are not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

Value = TypeVar("Value")


@asynccontextmanager
async def in_a_task(context: AbstractAsyncContextManager[Value]) -> AsyncIterator[Value]:
    """Hold a context open in a task of its own, since a fixture is set up and torn down in two different ones."""
    values: list[Value] = []
    entered_or_failed, enough = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        try:
            async with context as value:
                values.append(value)
                entered_or_failed.set()
                await enough.wait()
        finally:
            entered_or_failed.set()

    holding = asyncio.create_task(hold())
    await entered_or_failed.wait()
    if not values:
        await holding
    try:
        yield values[0]
    finally:
        enough.set()
        await holding
