"""The cables that benchmarks and tests lay."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ethernet import MEGABITS_PER_SECOND, Cable, Ethernet, NoEthernetError, ethernet
from tests.children import bound

SIZE_BYTES = 1_000_000
_SEND = f"""
import socket
with socket.create_server(("0.0.0.0", 0)) as server:
    print(server.getsockname()[1], flush=True)
    server.accept()[0].sendall(bytes({SIZE_BYTES}))
"""


@contextlib.contextmanager
def laid(cameras: int) -> Iterator[Ethernet]:
    """Skips the test where cables can't be laid."""
    try:
        with ethernet(cameras) as link:
            yield link
    except NoEthernetError as error:
        pytest.skip(str(error))


def test_a_camera_sends_no_faster_than_its_cable() -> None:
    with laid(2) as link:
        command = bound(*link.inside(sys.executable, "-c", _SEND))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as camera:
            assert camera.stdout is not None
            port = int(camera.stdout.readline())
            with socket.create_connection((link.cables[1].address, port), timeout=60) as viewer:
                began = time.monotonic()
                received = 0
                while piece := viewer.recv(1 << 20):
                    received += len(piece)
                seconds = time.monotonic() - began
    assert received == SIZE_BYTES
    # It may have sent what its buffers hold before the viewer looked at its watch, but never past the cable.
    assert seconds > 0.8 * SIZE_BYTES * 8 / (MEGABITS_PER_SECOND * 1e6)


def test_nothing_of_the_cables_is_left_whatever_happens() -> None:
    links = []
    with contextlib.suppress(KeyboardInterrupt), laid(2) as link:
        links = [link]
        assert all(_is_laid(cable) for cable in link.cables)
        raise KeyboardInterrupt
    assert not any(_is_laid(cable) for link in links for cable in link.cables)
    assert not any(Path("/run/netns", link.namespace).exists() for link in links)


def _is_laid(cable: Cable) -> bool:
    return Path("/sys/class/net", cable.near).exists()


def test_two_that_lay_cables_at_once_get_different_ones() -> None:
    with laid(1) as one, laid(1) as other:
        assert one.namespace != other.namespace
        assert one.cables[0].address != other.cables[0].address


def test_without_root_the_bench_says_that_it_can_not_measure_over_cables_and_has_not_failed(tmp_path: Path) -> None:
    """In a user namespace without a mapping even root is nobody."""
    nobody = ["unshare", "--user"] if os.geteuid() == 0 else []
    name = "recorder.cpu_per_camera_over_ethernet"
    ended = subprocess.run(
        [*nobody, sys.executable, "-m", "bench", name, "--file", tmp_path / "bench.json"],
        cwd=Path(__file__).parents[2],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert "can't be measured here: only root may make network links" in " ".join(ended.stdout.split())
    assert (tmp_path / "bench.json").read_text() == "[]\n"
