"""How much of what cameras send by UDP the kernel keeps for a thread that is busy."""

from pathlib import Path

WANTED_BYTES = 4 << 20
"""A keyframe of 4K comes as a burst of up to a megabyte. libav's own 384 KiB lost every third picture of such a stream.

Linux counts each packet with its overhead against twice this: it holds 5 MB of full packets."""
_LIMIT = Path("/proc/sys/net/core/rmem_max")


def shortage(limit: Path = _LIMIT) -> str:
    """What to do for UDP where the system allows less; empty where it doesn't, or doesn't tell."""
    try:
        allowed_bytes = int(limit.read_text("ascii"))
    except (OSError, ValueError):
        return ""
    if allowed_bytes >= WANTED_BYTES:
        return ""
    return (
        f"the system keeps only {allowed_bytes >> 10} KiB of what comes by UDP, so large keyframes come damaged: "
        f"set net.core.rmem_max={WANTED_BYTES}"
    )
