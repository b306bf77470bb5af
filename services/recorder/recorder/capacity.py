"""How many cameras a machine can carry: a rule over its processors, memory and descriptors."""

import os
import resource
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CAMERAS_PER_CORE = 32
"""64 cameras on two cores are what the benchmarks hold it to.

A camera of 4 Mbit/s costs 3 to 5 ms of a second, or 12 by libav.
"""
CAMERAS_PER_PROCESS = 128
"""Python's own part of the work shares one lock, however many cores there are."""
MEMORY_PER_CAMERA = 16 << 20
"""Twice what a camera needs: one with a long keyframe distance keeps more."""
MEMORY_BESIDE = 256 << 20
"""For the recorder itself and the system."""
DESCRIPTORS_PER_CAMERA = 4
"""Its sockets, its file, and one that is being sealed."""
DESCRIPTORS_BESIDE = 128

_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine, or the container the recorder is in, gives."""

    cores: float
    memory_bytes: int
    descriptors: int


@dataclass(frozen=True, slots=True)
class Capacity:
    """The most cameras that are read at once, and what the number comes from."""

    cameras: int
    reason: str


def carried(machine: Machine) -> Capacity:
    """What the machine can carry; at least one camera."""
    by_memory = (machine.memory_bytes - MEMORY_BESIDE) // MEMORY_PER_CAMERA
    by_descriptors = (machine.descriptors - DESCRIPTORS_BESIDE) // DESCRIPTORS_PER_CAMERA
    limits = (
        (int(machine.cores * CAMERAS_PER_CORE), f"{machine.cores:g} processor cores"),
        (CAMERAS_PER_PROCESS, "one recorder process"),
        (by_memory, f"{machine.memory_bytes >> 20} MiB of memory"),
        (by_descriptors, f"{machine.descriptors} open files"),
    )
    cameras, reason = min(limits)
    return Capacity(max(1, cameras), f"what {reason} can carry")


def chosen(setting: int, machine: Machine) -> Capacity:
    """`MAX_CONCURRENT_RECORDINGS` as it was set; 0 leaves it to the machine."""
    return Capacity(setting, "as MAX_CONCURRENT_RECORDINGS says") if setting else carried(machine)


def this_machine(cgroup: Path = _CGROUP) -> Machine:
    """The limits of the container count where there are any."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    # https://docs.kernel.org/admin-guide/cgroup-v2.html: "max" is no limit, and no number either.
    with suppress(OSError, ValueError):
        quota, period = (cgroup / "cpu.max").read_text("ascii").split()
        cores = min(cores, int(quota) / int(period))
    with suppress(OSError, ValueError):
        memory = min(memory, int((cgroup / "memory.max").read_text("ascii")))
    if descriptors == resource.RLIM_INFINITY:
        descriptors = 1 << 20
    return Machine(cores, memory, descriptors)
