"""Memory that is freed goes back to the system, so that a recorder of many cameras stays small."""

import ctypes
import sys

# glibc's malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_BLOCK_BYTES = 256 << 10
_ARENAS = 2


def give_back_what_is_freed() -> None:
    """Early, before there are threads. Does nothing where the C library isn't glibc.

    Left to itself glibc raises both thresholds with the first large block that is freed, and gives each thread an arena
    of its own: what connecting and probing once took stays with the process for good.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _BLOCK_BYTES)
        mallopt(_M_ARENA_MAX, _ARENAS)
