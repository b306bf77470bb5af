"""The connections of all cameras, read by one thread in rounds and made into footage by another.

A thread that wakes for every packet of every camera costs more than all the work that it does then. Between two rounds
what comes waits in the kernel's buffers. While the disk stands still it waits in memory, up to a bound.
"""

import queue
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import structlog

from recorder.errors import CameraError, StreamEnded, StreamStalled

NAP_SECONDS = 0.5
"""What a round brings is written before the next: a nap and the newest picture are what a crash costs."""
SHORT_NAP_SECONDS = 0.125
"""Where libav writes, which keeps up to half a second for a fragment, and a little to put sound in its place."""
_SHORTEST_NAP_SECONDS = 0.01
WAITING_LIMIT_BYTES = 256 << 20
"""Of all cameras together. Beyond it cameras have to wait, and leave out pictures as they do on a slow network."""
_BLOCK_BYTES = 192 << 10
"""Read at once, into memory of its own that is cut to what came: no copy is made. Less than what malloc maps anew."""
_WINDOW_BYTES = 2 << 20
"""What the kernel may hold for a connection: a nap of a camera that sends 32 Mbit/s."""

log = structlog.get_logger(__name__)

Receive = Callable[[bytes, float], bool]
"""Told what came and when (monotonic); False when no more is wanted. What it raises ends the line."""


class Line:
    """One camera's connection on its way through the reader."""

    def __init__(
        self,
        connection: socket.socket,
        receive: Receive,
        silence_seconds: float,
        keep_alive: Callable[[float], None] = lambda _now: None,
        nap_seconds: float = NAP_SECONDS,
    ) -> None:
        """`keep_alive` is told the monotonic time in each round, also while a disk stands still; it must not block.

        `nap_seconds` is how long what comes may wait to be read.
        """
        self.connection = connection
        self.receive = receive
        self.keep_alive = keep_alive
        self.silence_seconds = silence_seconds
        self.nap_seconds = nap_seconds
        self.heard_at = time.monotonic()
        self.due_at = 0.0
        """When it is to be read again (monotonic)."""
        self.is_over = False
        self.is_read_out = False
        self.error: BaseException | None = None
        self._over = threading.Event()
        self._receiving = threading.Lock()

    def interrupt(self) -> None:
        """No more is wanted: `wait` returns."""
        self.is_over = True
        self._over.set()

    def take(self, arrival: float, data: bytes | CameraError) -> None:
        """What came, or why nothing comes any more; in order."""
        with self._receiving:
            if self.is_over:
                return
            if isinstance(data, Exception):
                self.error = data
            else:
                try:
                    if self.receive(data, arrival):
                        return
                except BaseException as error:  # noqa: BLE001 - it is raised where the camera's own thread waits
                    self.error = error
            self.interrupt()

    def wait(self) -> None:
        """Until the line is over. Raises what ended it."""
        self._over.wait()
        with self._receiving:  # whoever closes the connection next must not do so under a packet
            error, self.error = self.error, None
        if error is not None:
            raise error


@dataclass(frozen=True, slots=True)
class _Came:
    line: Line
    arrival: float
    data: bytes | CameraError


class Reader:
    """Two threads for any number of cameras."""

    def __init__(self, nap_seconds: float = NAP_SECONDS, limit_bytes: int = WAITING_LIMIT_BYTES) -> None:
        self._longest_nap = self._nap = nap_seconds
        self._limit_bytes = limit_bytes
        self._lines: set[Line] = set()
        self._reading = threading.Lock()
        """Held while connections are read: they can't be closed meanwhile."""
        self._occupied = threading.Event()
        self._closed = threading.Event()
        self._woken = threading.Event()
        """A connection came, which may have to be read oftener than those that are there; or all is over."""
        self._rounds: queue.SimpleQueue[list[_Came] | threading.Event | None] = queue.SimpleQueue()
        """What each round brought; an event is set when its turn comes, None is the end."""
        self._read_bytes = self._taken_bytes = 0
        for name, work in (("reader", self._read), ("muxer", self._take)):
            # Daemons: a disk that never answers must not keep the process from ending.
            threading.Thread(target=work, name=name, daemon=True).start()

    def carry(self, line: Line) -> None:
        """Read this connection until it is over, and wait for that. Raises what ended it."""
        _widen(line.connection)
        with self._reading:
            self._lines.add(line)
            self._occupied.set()
            self._woken.set()
        try:
            line.wait()
        finally:
            with self._reading:
                self._lines.discard(line)
                if not self._lines:
                    self._occupied.clear()

    def read_out(self, limit_seconds: float) -> None:
        """What has come by now is read and made into footage before this returns, unless that takes too long."""
        came: list[_Came] = []
        with self._reading:
            for line in self._lines:
                self._read_safely(line, came)
            if came:
                # In its turn: the thread that reads can't hand over what came later before the lock is free.
                self._rounds.put(came)
        done = threading.Event()
        self._rounds.put(done)
        done.wait(limit_seconds)

    def close(self) -> None:
        """End both threads, soon."""
        self._closed.set()
        self._occupied.set()
        self._woken.set()

    def _read(self) -> None:
        while not self._closed.is_set():
            self._occupied.wait()
            came: list[_Came] = []
            is_pressed = False
            with self._reading:
                shortest = min((line.nap_seconds for line in self._lines), default=self._longest_nap)
                now = time.monotonic()
                for line in self._lines:
                    if now < line.due_at:
                        continue
                    # A little early rather than a round late: rounds are as far apart as the shortest nap.
                    line.due_at = now + min(self._nap, line.nap_seconds) - shortest / 2
                    is_pressed = self._read_safely(line, came) or is_pressed
                if came:
                    self._rounds.put(came)
            came = []  # else it stays in memory for the nap, too
            # A receive buffer that fills up within a nap would slow the camera down.
            nap = self._nap / 2 if is_pressed else self._nap * 1.1
            self._nap = max(_SHORTEST_NAP_SECONDS, min(nap, self._longest_nap))
            self._woken.wait(min(self._nap, shortest))
            self._woken.clear()
        self._rounds.put(None)

    def _read_safely(self, line: Line, came: list[_Came]) -> bool:
        try:
            return self._read_line(line, came)
        except Exception as error:
            # What one camera brings about must not stop the others.
            log.exception("reading_failed")
            line.is_read_out = True
            came.append(_Came(line, time.monotonic(), StreamEnded(f"Reading failed: {type(error).__name__}")))
            return False

    def _read_line(self, line: Line, came: list[_Came]) -> bool:
        """Whether more came than should in a nap."""
        now = time.monotonic()
        if line.is_over or line.is_read_out:
            return False
        line.keep_alive(now)
        if self._read_bytes - self._taken_bytes > self._limit_bytes:
            line.heard_at = now  # it isn't the camera that is silent
            return False
        size_bytes = 0
        while size_bytes < _WINDOW_BYTES:  # no camera keeps the others waiting
            data = _received(line, now)
            if data is None:
                break
            came.append(_Came(line, now, data))
            if not isinstance(data, bytes):
                line.is_read_out = True
                break
            line.heard_at = now
            self._read_bytes += len(data)
            size_bytes += len(data)
            if len(data) < _BLOCK_BYTES:
                break
        return size_bytes > _WINDOW_BYTES // 2

    def _take(self) -> None:
        while (came := self._rounds.get()) is not None:
            if isinstance(came, threading.Event):
                came.set()
                continue
            for each in came:
                each.line.take(each.arrival, each.data)
                if isinstance(each.data, bytes):
                    self._taken_bytes += len(each.data)
            del came, each  # else they stay in memory until the next round


def _received(line: Line, now: float) -> bytes | CameraError | None:
    """What is there, or why nothing comes any more."""
    try:
        data = line.connection.recv(_BLOCK_BYTES)
    except BlockingIOError:
        if now - line.heard_at <= line.silence_seconds:
            return None
        return StreamStalled(f"The camera has sent nothing for {line.silence_seconds:.0f} s or more.")
    except OSError as error:
        return StreamEnded(f"The stream broke off: {error.strerror or type(error).__name__}")
    return data or StreamEnded("The camera ended the stream.")


def _widen(connection: socket.socket) -> None:
    """Let the kernel hold a nap's worth of data.

    SO_RCVBUF would be capped at a size that is too small, and would end the kernel's own tuning. Linux widens the
    buffer to what a reader says that it waits for, and doesn't narrow it again.
    """
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, _WINDOW_BYTES)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
