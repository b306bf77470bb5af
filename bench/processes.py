"""What processes cost: CPU time and memory, read from /proc."""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds used so far, and bytes of memory in use now."""

    cpu_seconds: float
    memory_bytes: int


def cost_of(pids: Iterable[int]) -> Cost:
    """The sum over `pids`. Memory is PSS: pages that several share are divided among them."""
    cpu, memory = 0.0, 0
    for pid in pids:
        # The name in parentheses may hold spaces; utime and stime are fields 14 and 15 (proc(5)).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        cpu += (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                memory += int(line.split()[1]) * 1024
    return Cost(cpu, memory)


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
