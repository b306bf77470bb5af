"""How long a camera that failed is left alone, and how its return is noticed."""

import asyncio
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import pytest

from recorder.absence import _Look, returned
from recorder.errors import CameraError, CameraUnreachable, PasswordRefused, UnsupportedStream
from recorder.retries import (
    FIRST_RETRY_SECONDS,
    HEALTHY_SECONDS,
    LAST_RETRY_SECONDS,
    REFUSED_RETRY_SECONDS,
    failures_in_a_row,
    retry_seconds,
)
from tests.recorder.waiting import LIMIT_SECONDS

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"


@pytest.mark.parametrize("failure", [CameraUnreachable(""), UnsupportedStream("")], ids=lambda it: type(it).__name__)
def test_the_waits_grow_and_are_capped_and_a_lock_out_is_avoided(failure: CameraError) -> None:
    waits = [retry_seconds(failures, failure, 0.5) for failures in range(1, 12)]
    assert waits == sorted(waits)
    assert FIRST_RETRY_SECONDS <= waits[0] <= 2
    assert retry_seconds(10_000, failure, 0.999) <= LAST_RETRY_SECONDS == 30
    assert retry_seconds(10_000, failure, 0.0) >= LAST_RETRY_SECONDS / 2
    assert retry_seconds(1, PasswordRefused(""), 0.0) == REFUSED_RETRY_SECONDS == 300


def test_a_camera_that_gave_footage_has_failed_once_and_one_that_breaks_off_at_once_again() -> None:
    assert failures_in_a_row(7, HEALTHY_SECONDS) == 1
    assert failures_in_a_row(7, 0.2) == 8
    assert failures_in_a_row(0, 0.0) == 1


class Door:
    """A camera's address: what it does with each connection is up to the test."""

    def __init__(self, server: socket.socket) -> None:
        self._server = server
        self.url = f"rtsp://viewer:s3cret@127.0.0.1:{server.getsockname()[1]}/live"

    async def knocked(self, answer: bytes = b"") -> tuple[socket.socket, bytes]:
        """The next connection, and what was asked; answered as soon as it comes."""

        def accept() -> tuple[socket.socket, bytes]:
            connection, _ = self._server.accept()
            asked = connection.recv(4000)
            connection.sendall(answer)
            return connection, asked

        return await asyncio.to_thread(accept)

    def has_knock(self) -> bool:
        self._server.settimeout(0)
        try:
            self._server.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def door() -> Iterator[Door]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT_SECONDS)
        yield Door(server)


@contextmanager
def waiting(
    url: str, seconds: float, longest_seconds: float = 3600
) -> Iterator[tuple["asyncio.Task[bool]", threading.Event]]:
    wake = threading.Event()
    wait = partial(returned, url, seconds, wake, longest_seconds=longest_seconds, on_away=lambda: None)
    task = asyncio.create_task(asyncio.to_thread(wait))
    try:
        yield task, wake
    finally:
        wake.set()


async def test_a_camera_that_answers_again_is_noticed_at_once(door: Door) -> None:
    with waiting(door.url, 0.1) as (task, _):
        connection, _ = await door.knocked()
        connection.close()  # its system is up, its RTSP server isn't
        connection, asked = await door.knocked()
        with closing(connection):
            connection.sendall(ANSWER)
            assert await asyncio.wait_for(task, LIMIT_SECONDS)
    assert asked.startswith(b"OPTIONS rtsp://127.0.0.1:")
    assert b"s3cret" not in asked


async def test_a_camera_that_accepts_and_says_nothing_is_asked_again_and_noticed_when_it_answers(door: Door) -> None:
    with waiting(door.url, 3600) as (task, _):
        connection, _ = await door.knocked()
        with closing(connection):
            began = time.monotonic()
            # Given up in the middle of silence, since the camera might have lost its power: it knocks again.
            again, _ = await door.knocked()
            assert time.monotonic() - began >= 1.5
        with closing(again):
            again.sendall(ANSWER)
            assert await asyncio.wait_for(task, LIMIT_SECONDS)


async def test_a_camera_is_noticed_also_where_a_thousand_files_are_open(door: Door) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 1500), limits[1]))
        opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        descriptor = 0
        while descriptor < 1100:
            descriptor = os.open(os.devnull, os.O_RDONLY)
            opened.callback(os.close, descriptor)
        with waiting(door.url, 0.1) as (task, _):
            connection, _ = await door.knocked()
            connection.close()
            connection, _ = await door.knocked()
            with closing(connection):
                connection.sendall(ANSWER)
                assert await asyncio.wait_for(task, 5)


async def test_a_camera_that_was_there_all_along_is_left_alone_for_the_whole_wait(door: Door) -> None:
    began = time.monotonic()
    with waiting(door.url, 2.5) as (task, _):
        connection, _ = await door.knocked(ANSWER)
        with closing(connection):
            assert not await task
    assert time.monotonic() - began >= 2.5
    assert not door.has_knock(), "looked at once"


async def test_a_camera_that_never_answers_is_tried_all_the_same_after_the_longest_wait(door: Door) -> None:
    with waiting(door.url, 0.1, longest_seconds=1.5) as (task, _):
        connection, _ = await door.knocked()
        connection.close()
        assert not await asyncio.wait_for(task, LIMIT_SECONDS)


async def test_who_is_called_meanwhile_does_not_wait_on(door: Door) -> None:
    with waiting(door.url, 3600) as (task, wake):
        connection, _ = await door.knocked()
        with closing(connection):
            wake.set()
            assert not await asyncio.wait_for(task, LIMIT_SECONDS)


def test_an_encrypted_camera_is_there_when_it_accepts() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        look = _Look.at(f"rtsps://127.0.0.1:{server.getsockname()[1]}/live")
        assert look is not None
        assert not look.is_answered(1, threading.Event())
        server.listen()
        assert look.is_answered(1, threading.Event())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/x", "/dev/video0", "rtsp://[::1", "rtsp://host:99999/x", "rtsp://"]
)
def test_what_is_no_rtsp_address_is_waited_for_by_the_clock(url: str) -> None:
    began = time.monotonic()
    away = threading.Event()
    assert not returned(url, 0.3, threading.Event(), longest_seconds=3600, on_away=away.set)
    assert not away.is_set()
    assert time.monotonic() - began >= 0.3
