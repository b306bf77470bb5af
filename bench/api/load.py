"""A load of HTTP/1.1 requests over a few connections that stay open, each with one request at a time."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


class LoadError(Exception):
    """An answer that was not the expected one, or none."""


@dataclass(frozen=True, slots=True)
class Served:
    """What a server did in one run."""

    answers: int
    seconds: float
    delays: list[float] = field(repr=False)
    """Seconds from each request to its answer."""

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


async def load(port: int, seconds: float, make: Callable[[], bytes], *, status: int, connections: int) -> Served:
    """Send what `make` makes for so long; every answer must have this status. Raises LoadError."""
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    callers = [
        (await loop.create_connection(lambda: _Caller(make, status, until), "127.0.0.1", port))[1]
        for _ in range(connections)
    ]
    began = time.perf_counter()
    for caller in callers:
        caller.call()
    for caller in callers:
        async with asyncio.timeout(seconds + 30):
            await caller.done
    took = time.perf_counter() - began
    delays = [delay for caller in callers for delay in caller.delays]
    return Served(len(delays), took, delays)


def request(method: str, path: str, token: str, body: bytes = b"", headers: str = "") -> bytes:
    """One request as it is sent."""
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    if method == "POST" and not body:
        kind = "Content-Length: 0\r\n"
    return (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAccept: */*\r\nUser-Agent: bench\r\n"
        f"Authorization: Bearer {token}\r\n{headers}{kind}\r\n"
    ).encode() + body


class _Caller(asyncio.Protocol):
    """One connection: the next request when the answer is complete. Small, since it runs beside what it measures."""

    def __init__(self, make: Callable[[], bytes], status: int, until: float) -> None:
        self._make = make
        self._status = f"HTTP/1.1 {status} ".encode()
        self._until = until
        self._buffer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self.delays: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        self._transport = transport

    def call(self) -> None:
        """Send the next request."""
        assert self._transport is not None  # noqa: S101 - for mypy
        self._sent = time.perf_counter()
        self._transport.write(self._make())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        if not head.startswith(self._status):
            self._fail(f"instead of {self._status.decode()}: {self._buffer[:500]!r}")
            return
        _, _, after = head.lower().partition(b"\r\ncontent-length:")
        if len(body) < int(after.partition(b"\r\n")[0] or 0):
            return
        self._buffer = b""
        now = time.perf_counter()
        self.delays.append(now - self._sent)
        if now < self._until:
            self.call()
        elif self._transport is not None:
            self._transport.close()
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the connection was closed: {exc}")

    def _fail(self, reason: str) -> None:
        if not self.done.done():
            self.done.set_exception(LoadError(reason))
