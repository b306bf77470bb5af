"""An event loop whose time passes as soon as all of its tasks wait for it: an hour takes as long as its work."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    seconds = 0.0

    def select(self, timeout: float | None = None) -> Any:
        found = super().select(0 if timeout else timeout)
        if not found and timeout:
            self.seconds += timeout
        return found


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.seconds


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end. Nothing in it may wait for another process or thread."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)
