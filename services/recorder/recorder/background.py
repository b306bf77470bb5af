"""Calls that may sit somewhere for long, each on a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

Answer = TypeVar("Answer")


async def in_background(name: str, call: Callable[[], Answer]) -> Answer:
    """What the call returns or raises; whoever stops waiting doesn't stop the call.

    On a daemon thread, unlike those of a pool: libav may sit in an open, and must not keep the process from ending.
    """
    future: Future[Answer] = Future()
    future.set_running_or_notify_cancel()  # from here on nobody can cancel it under the thread's hands

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits
            future.set_exception(error)

    threading.Thread(target=work, name=name, daemon=True).start()
    return await asyncio.wrap_future(future)
