"""Memory: what isn't needed is not taken, and what is freed goes back to the system."""

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_BLOCK_BYTES = 256 << 10
_ARENAS = 2
_EVERY = timedelta(seconds=10)
_FOR_TERMINALS = ("rich", "pygments")


def give_back_what_is_freed() -> None:
    """Early, before there are threads. Does nothing where the C library isn't glibc.

    Left to itself glibc raises both thresholds with the first large block that is freed, and gives each thread an arena
    of its own: what connecting and probing once took stays with the process for good.
    """
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)


@contextmanager
def without_what_is_for_terminals() -> Iterator[None]:
    """What is imported in the block does without colours, as it does where nothing that makes them is installed.

    structlog and httpx load it for tracebacks and a command line of theirs that a recorder never shows: 5 MB.
    """
    missing = [name for name in _FOR_TERMINALS if name not in sys.modules]
    blocked: dict[str, None] = dict.fromkeys(missing)
    sys.modules.update(blocked)  # type: ignore[arg-type]  # None is how Python notes that there is no such module
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]


def keep_for_good() -> None:
    """All that there is now stays for as long as the program runs: the garbage collector needn't look at it again.

    A look at the hundred thousand objects of a started recorder takes a tenth of a second, in which every other thread,
    and the event loop, waits.
    """
    gc.collect()
    gc.freeze()


async def trimming(every: timedelta = _EVERY) -> None:
    """Until cancelled: gives back free pages in the middle of the heap, too; glibc by itself gives back its end alone.

    Connecting, sealing and uploading leave them behind.
    """
    trim = _glibc("malloc_trim")
    while trim is not None:
        await asyncio.sleep(every.total_seconds())
        await asyncio.to_thread(trim, 0)


def _glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    found: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None)
    return found
