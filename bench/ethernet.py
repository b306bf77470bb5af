"""Real network links to cameras: they run in a network namespace, each with a cable of 100 Mbit/s to this machine."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

MEGABITS_PER_SECOND = 100
_BURST_BYTES = 1600
"""One full frame: after it the port has to wait until the frame is on the wire, 0.12 ms."""
_QUEUE_BYTES = 1_000_000
"""What a switch's port holds: several keyframes."""
_NETWORKS = 512
"""198.18.0.0/15 is kept for benchmarks (RFC 2544); each set of links takes a /24 of it, each link a /30 of that."""
_LARGEST = 64


class NoEthernetError(Exception):
    """Links can't be made here; the text says why."""


@dataclass(frozen=True, slots=True)
class Cable:
    """One camera's link."""

    namespace: str
    near: str
    """This machine's end."""
    far: str
    """The camera's end, in the namespace."""
    address: str
    """The camera's."""
    near_address: str

    def unplug(self) -> None:
        """From now on nothing passes, and neither side is told so: no FIN, no RST."""
        _ip("-netns", self.namespace, "link", "set", self.far, "down")

    def plug(self) -> None:
        """As before."""
        _ip("-netns", self.namespace, "link", "set", self.far, "up")


@dataclass(frozen=True, slots=True)
class Ethernet:
    """Cables between this machine and cameras that run in a network namespace."""

    namespace: str
    cables: tuple[Cable, ...]

    def inside(self, *command: str) -> tuple[str, ...]:
        """The command that runs `command` where the cameras are; it keeps its process id."""
        return (_program("ip"), "netns", "exec", self.namespace, *command)


@contextlib.contextmanager
def ethernet(cameras: int) -> Iterator[Ethernet]:
    """So many cables, gone on leaving. NoEthernetError where they can't be made."""
    if cameras > _LARGEST:
        raise ValueError(f"at most {_LARGEST} cables")
    if os.geteuid() != 0:
        raise NoEthernetError("only root may make network links")
    number = _new_namespace()
    namespace = _name(number)
    try:
        _ip("-netns", namespace, "link", "set", "lo", "up")
        cables = tuple(_cable(number, i) for i in range(cameras))
        for cable in cables:
            _lay(cable)
        yield Ethernet(namespace, cables)
    finally:
        # A cable goes with either of its ends, the namespace when nothing runs in it any more.
        for camera in range(cameras):
            _ip("link", "delete", _near(number, camera), check=False)
        _ip("netns", "delete", namespace, check=False)


def _new_namespace() -> int:
    """The name reserves the addresses as well: it can be made only once."""
    for attempt in range(_NETWORKS):
        number = (os.getpid() + attempt) % _NETWORKS
        complaint = _ip("netns", "add", _name(number), check=False)
        if not complaint:
            return number
        if "File exists" not in complaint:
            break
    raise NoEthernetError(f"no network namespace can be made: {complaint}")


def _name(number: int) -> str:
    return f"camfleet-{number}"


def _near(number: int, camera: int) -> str:
    return f"cf{number}n{camera}"


def _cable(number: int, camera: int) -> Cable:
    network = f"198.{18 + number // 256}.{number % 256}"
    return Cable(
        namespace=_name(number),
        near=_near(number, camera),
        far=f"camera{camera}",
        near_address=f"{network}.{4 * camera + 1}",
        address=f"{network}.{4 * camera + 2}",
    )


def _lay(cable: Cable) -> None:
    inside = ("-netns", cable.namespace)
    # Without segmentation offload: frames as they are on a wire, of 1514 bytes at most.
    small = ("gso_max_segs", "1")
    _ip("link", "add", cable.near, *small, "type", "veth", "peer", "name", cable.far, *small, "netns", cable.namespace)
    _ip("address", "add", f"{cable.near_address}/30", "dev", cable.near)
    _ip(*inside, "address", "add", f"{cable.address}/30", "dev", cable.far)
    rate = ("rate", f"{MEGABITS_PER_SECOND}mbit", "burst", str(_BURST_BYTES), "limit", str(_QUEUE_BYTES))
    _run(_program("tc"), *inside, "qdisc", "add", "dev", cable.far, "root", "tbf", *rate)
    _ip("link", "set", cable.near, "up")
    _ip(*inside, "link", "set", cable.far, "up")


def _ip(*arguments: str, check: bool = True) -> str:
    return _run(_program("ip"), *arguments, check=check)


def _run(*command: str, check: bool = True) -> str:
    """What it complains of; NoEthernetError if that is to end it."""
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    if ended.returncode and check:
        raise NoEthernetError(f"{' '.join(command)}: {ended.stderr.strip()}")
    return ended.stderr.strip() if ended.returncode else ""


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise NoEthernetError(f"there is no `{name}`: tests/install-system-packages installs it (iproute2)")
    return found
