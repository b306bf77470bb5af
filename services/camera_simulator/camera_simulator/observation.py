"""Waiting until something is true of a camera."""

import asyncio
from collections.abc import Callable

WAIT_LIMIT_SECONDS = 90.0


class Observable:
    """Lets others wait for a condition; whoever changes what conditions look at calls `changed`."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    def changed(self) -> None:
        for condition, reached in self._waiting:
            if not reached.done() and condition():
                reached.set_result(None)

    async def wait_until(
        self, condition: Callable[[], bool], what: str, limit_seconds: float = WAIT_LIMIT_SECONDS
    ) -> None:
        """Raises `TimeoutError` that says what did not happen."""
        if condition():
            return
        reached = asyncio.get_running_loop().create_future()
        entry = (condition, reached)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(limit_seconds):
                await reached
        except TimeoutError as error:
            raise TimeoutError(f"not within {limit_seconds:g} s: {what}") from error
        finally:
            self._waiting.remove(entry)
