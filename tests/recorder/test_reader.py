"""The thread that reads all cameras: in order, within bounds, and never held up by the one that writes."""

import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import pytest

from recorder.errors import StreamEnded, StreamStalled
from recorder.reader import Line, Reader
from tests.recorder.waiting import until

LIMIT_BYTES = 4 << 20


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader(nap_seconds=0.02, limit_bytes=LIMIT_BYTES)
    yield reader
    reader.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


class Recipient:
    """What a camera's take would be: it may be held up, as by a disk."""

    def __init__(self, wanted_bytes: int = 1 << 40) -> None:
        self.got = bytearray()
        self.arrivals: list[float] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.is_held_up = threading.Event()
        self.came = threading.Event()
        self._wanted_bytes = wanted_bytes

    def receive(self, data: bytes, arrival: float) -> bool:
        if not self.may_go_on.is_set():
            self.is_held_up.set()
            self.may_go_on.wait()
        self.got += data
        self.came.set()
        self.arrivals.append(arrival)
        return len(self.got) < self._wanted_bytes


def connected() -> tuple[socket.socket, socket.socket]:
    """A camera's end and a recorder's, over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        cameras, _ = server.accept()
    ours.setblocking(False)
    return cameras, ours


def carried(reader: Reader, pool: ThreadPoolExecutor, line: Line) -> "Future[None]":
    return pool.submit(reader.carry, line)


def test_what_a_camera_sends_arrives_in_order_and_then_its_end(reader: Reader, pool: ThreadPoolExecutor) -> None:
    camera, ours = connected()
    sent = bytes(range(256)) * 20_000
    recipient = Recipient()
    with camera, ours:
        ending = carried(reader, pool, Line(ours, recipient.receive, silence_seconds=60))
        camera.sendall(sent)
        camera.shutdown(socket.SHUT_WR)
        with pytest.raises(StreamEnded):
            ending.result(60)
    assert recipient.got == sent
    assert recipient.arrivals == sorted(recipient.arrivals)


def test_a_camera_that_sends_nothing_is_a_stall(reader: Reader, pool: ThreadPoolExecutor) -> None:
    camera, ours = connected()
    with camera, ours, pytest.raises(StreamStalled):
        carried(reader, pool, Line(ours, Recipient().receive, silence_seconds=0.2)).result(60)


def test_what_came_by_now_can_be_had_in_the_middle_of_a_nap(pool: ThreadPoolExecutor) -> None:
    reader = Reader(nap_seconds=60)
    camera, ours = connected()
    recipient = Recipient()
    with camera, ours:
        line = Line(ours, recipient.receive, silence_seconds=60, nap_seconds=60)
        camera.sendall(b"first")  # read as soon as there is a connection, and nothing more in that minute
        ending = carried(reader, pool, line)
        assert recipient.came.wait(60)
        camera.sendall(b", and what came in the nap")
        reader.read_out(limit_seconds=30)
        assert recipient.got == b"first, and what came in the nap"
        line.interrupt()
        ending.result(60)
    reader.close()


def test_a_disk_that_stands_still_does_not_keep_who_wants_what_came_by_now(pool: ThreadPoolExecutor) -> None:
    reader = Reader(nap_seconds=0.02)
    camera, ours = connected()
    recipient = Recipient()
    recipient.may_go_on.clear()
    with camera, ours:
        line = Line(ours, recipient.receive, silence_seconds=60)
        ending = carried(reader, pool, line)
        camera.sendall(b"first")
        assert recipient.is_held_up.wait(60)
        reader.read_out(limit_seconds=0.01)
        assert not recipient.got
        recipient.may_go_on.set()
        line.interrupt()
        ending.result(60)
    reader.close()


def test_an_interrupted_line_is_over_at_once(reader: Reader, pool: ThreadPoolExecutor) -> None:
    camera, ours = connected()
    with camera, ours:
        line = Line(ours, Recipient().receive, silence_seconds=60)
        ending = carried(reader, pool, line)
        line.interrupt()
        assert ending.result(60) is None


def test_who_wants_no_more_gets_no_more(reader: Reader, pool: ThreadPoolExecutor) -> None:
    camera, ours = connected()
    recipient = Recipient(wanted_bytes=1)
    with camera, ours:
        ending = carried(reader, pool, Line(ours, recipient.receive, silence_seconds=60))
        camera.sendall(b"a")
        assert ending.result(60) is None
        camera.sendall(b"b")
    assert recipient.got == b"a"


def test_what_goes_wrong_with_a_packet_is_raised_to_its_own_camera_alone(
    reader: Reader, pool: ThreadPoolExecutor
) -> None:
    def failing(data: bytes, arrival: float) -> bool:
        raise OSError(28, f"no space for {len(data)} bytes at {arrival}")

    (camera, ours), (other_camera, other_ours) = connected(), connected()
    recipient = Recipient(wanted_bytes=1)
    with camera, ours, other_camera, other_ours:
        failed = carried(reader, pool, Line(ours, failing, silence_seconds=60))
        going_on = carried(reader, pool, Line(other_ours, recipient.receive, silence_seconds=60))
        camera.sendall(b"a")
        with pytest.raises(OSError, match="no space"):
            failed.result(60)
        other_camera.sendall(b"b")
        assert going_on.result(60) is None
    assert recipient.got == b"b"


def test_a_disk_that_stands_still_keeps_no_camera_from_being_read(reader: Reader, pool: ThreadPoolExecutor) -> None:
    (camera, ours), (other_camera, other_ours) = connected(), connected()
    sent = bytes(range(256)) * 4096 * 3
    assert len(sent) < LIMIT_BYTES
    writing, other = Recipient(len(sent) + 1), Recipient(len(sent))
    writing.may_go_on.clear()
    with camera, ours, other_camera, other_ours:
        for end in (camera, other_camera):
            # The sender's own buffer must not be what takes it all.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        held_up = carried(reader, pool, Line(ours, writing.receive, silence_seconds=60))
        waiting = carried(reader, pool, Line(other_ours, other.receive, silence_seconds=60))
        camera.sendall(b"a")
        assert writing.is_held_up.wait(60)
        for end in (other_camera, camera):
            end.settimeout(60)
        other_camera.sendall(sent)  # returns only if somebody reads
        writing.may_go_on.set()
        camera.sendall(sent)
        assert waiting.result(60) is None
        assert held_up.result(60) is None
    assert writing.got == b"a" + sent
    assert other.got == sent


def test_what_waits_for_a_disk_is_bounded_and_none_of_it_is_lost(reader: Reader, pool: ThreadPoolExecutor) -> None:
    camera, ours = connected()
    sent = bytes(range(256)) * 4096 * 32
    assert len(sent) > 3 * LIMIT_BYTES
    recipient = Recipient(len(sent))
    recipient.may_go_on.clear()
    with camera, ours:
        ending = carried(reader, pool, Line(ours, recipient.receive, silence_seconds=60))
        sending = pool.submit(camera.sendall, sent)
        assert recipient.is_held_up.wait(60)
        with pytest.raises(TimeoutError):
            sending.result(1.5)  # the camera has to wait: no more is taken than the bound and what the kernel holds
        recipient.may_go_on.set()
        assert sending.result(60) is None
        assert ending.result(60) is None
    assert recipient.got == sent


def test_a_camera_is_kept_alive_while_a_disk_stands_still_and_nothing_more_is_read(
    reader: Reader, pool: ThreadPoolExecutor
) -> None:
    camera, ours = connected()
    recipient, kept_alive = Recipient(), threading.Semaphore(0)
    recipient.may_go_on.clear()
    with camera, ours:
        line = Line(ours, recipient.receive, silence_seconds=60, keep_alive=lambda _now: kept_alive.release())
        ending = carried(reader, pool, line)
        sending = pool.submit(camera.sendall, bytes(LIMIT_BYTES * 4))
        assert recipient.is_held_up.wait(60)
        with pytest.raises(TimeoutError):
            sending.result(1.5)  # the bound is reached
        while kept_alive.acquire(blocking=False):
            pass
        for _ in range(3):
            assert kept_alive.acquire(timeout=60)
        recipient.may_go_on.set()
        assert sending.result(60) is None
        line.interrupt()
        assert ending.result(60) is None


async def test_a_camera_that_has_to_be_read_often_costs_the_others_no_rounds(pool: ThreadPoolExecutor) -> None:
    reader = Reader()
    often, seldom = Recipient(), Recipient()
    (gate, gates_end), (yard, yards_end) = connected(), connected()
    with gate, gates_end, yard, yards_end:
        lines = [
            Line(gates_end, often.receive, silence_seconds=60, nap_seconds=0.02),
            Line(yards_end, seldom.receive, silence_seconds=60, nap_seconds=0.5),
        ]
        endings = [carried(reader, pool, line) for line in lines]

        def sent() -> bool:
            gate.send(b"x")
            yard.send(b"x")
            return len(seldom.arrivals) > 2

        await until(sent)
        for line in lines:
            line.interrupt()
        assert [ending.result(60) for ending in endings] == [None, None]
    reader.close()
    assert len(often.arrivals) > len(seldom.arrivals)
    assert all(later - earlier >= 0.4 for earlier, later in pairwise(seldom.arrivals))


def test_a_connection_that_comes_in_the_middle_of_a_nap_is_read_at_once(pool: ThreadPoolExecutor) -> None:
    reader = Reader(nap_seconds=3600)
    first, second = Recipient(1), Recipient(1)
    (gate, gates_end), (yard, yards_end) = connected(), connected()
    with gate, gates_end, yard, yards_end:
        gate.send(b"x")
        line = Line(gates_end, first.receive, silence_seconds=3600, nap_seconds=3600)
        assert carried(reader, pool, line).result(60) is None
        idle = Line(gates_end, first.receive, silence_seconds=3600, nap_seconds=3600)
        waiting = carried(reader, pool, idle)
        yard.send(b"x")
        line = Line(yards_end, second.receive, silence_seconds=3600, nap_seconds=0.01)
        assert carried(reader, pool, line).result(60) is None
        idle.interrupt()
        assert waiting.result(60) is None
    reader.close()


async def test_what_was_taken_does_not_stay_in_memory_until_the_next_round(pool: ThreadPoolExecutor) -> None:
    reader = Reader(nap_seconds=60)
    camera, ours = connected()
    taken: list[bytes] = []

    def receive(data: bytes, _arrival: float) -> bool:
        taken.append(data)
        return True

    with camera, ours:
        camera.sendall(b"x" * 10_000)
        line = Line(ours, receive, silence_seconds=90)
        ending = carried(reader, pool, line)
        # Held by the list alone: getrefcount's own argument counts, too.
        await until(lambda: taken and sys.getrefcount(taken[0]) == 2)
        line.interrupt()
        assert ending.result(30) is None
    reader.close()
