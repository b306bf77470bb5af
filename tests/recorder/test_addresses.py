"""Names of cameras are looked up with a limit."""

import asyncio
import json
import os
import socket
import sys
import time
from pathlib import Path

import pytest

from recorder.addresses import connected, places
from tests.recorder.unanswered_names import OPEN_SECONDS, SYSTEM_SECONDS


async def test_a_name_server_that_never_answers_holds_nobody_longer_than_a_camera_that_does_not(
    tmp_path: Path,
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may have a name server of its own")
    program = [sys.executable, "-m", "tests.recorder.unanswered_names", str(tmp_path)]
    child = await asyncio.create_subprocess_exec(
        "unshare", "--net", "--mount", *program, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    told = json.loads(out)
    assert told["asked"], "the name server was asked"
    for who in ("own", "libav"):
        reason, seconds = told[who]
        assert reason == "The name server did not say in time where the camera is."
        assert OPEN_SECONDS <= seconds < SYSTEM_SECONDS, "the system would have waited longer"
    assert told["look"][0] == "away"
    assert told["look"][1] < SYSTEM_SECONDS
    # The main one, the reader's two, and one for all that was asked; libav's question is without a port.
    assert told["threads"] <= 5


def test_an_address_needs_no_name_server_and_the_first_place_that_answers_is_taken() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        for host in ("127.0.0.1", "localhost"):  # which may be ::1 first, where nobody listens
            with connected(host, port, time.monotonic() + 30) as connection:
                assert connection.getpeername() == ("127.0.0.1", port)


def test_a_name_that_is_none_is_told_apart_from_one_that_nobody_answers_for() -> None:
    with pytest.raises((OSError, UnicodeError)):
        places("a..b", 554, time.monotonic() + 30)
