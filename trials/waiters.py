"""A recorder that waits for news over a connection of its own; so small that ten thousand are one process."""

import asyncio
import time

_OK, _NOT_MODIFIED = b"200", b"304"


class LostWaiterError(Exception):
    """The control plane answered something else, or closed the connection."""


class Waiter(asyncio.Protocol):
    """Asks for its configuration, then waits for the next, again and again."""

    def __init__(self, token: str, port: int, wait_seconds: int) -> None:
        self._port = port
        self._ask = (
            f"GET /v0/api/local-client/config?wait={wait_seconds} HTTP/1.1\r\nHost: trial\r\n"
            f"Authorization: Bearer {token}\r\nIf-None-Match: "
        ).encode()
        self._etag = b'"none"'
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._news: asyncio.Future[tuple[float, bytes]] = asyncio.get_running_loop().create_future()
        self._is_ended = False
        self._reason = ""
        self.documents = -1
        """How many it got, without the first."""

    async def begin(self) -> None:
        """Connect and get the first document; from then on it waits."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)
        await self._news

    def next_news(self) -> asyncio.Future[tuple[float, bytes]]:
        """When the next document is here, by `time.perf_counter`, and the document. Raises LostWaiterError."""
        self._news = asyncio.get_running_loop().create_future()
        if self._reason:
            self._fail(self._reason)
        return self._news

    def end(self) -> None:
        """Hang up."""
        self._is_ended = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask at once."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for mypy
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of one."""
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        status = head[9:12]
        if status == _NOT_MODIFIED:
            self._buffer = b""
            self._send()
            return
        if status != _OK:
            self._fail(f"answered {head[:100]!r}")
            return
        _, _, after = head.lower().partition(b"\r\ncontent-length:")
        if len(body) < int(after.partition(b"\r\n")[0]):
            return
        self._buffer = b""
        _, _, tag = head.lower().partition(b"\r\netag:")
        self._etag = tag.partition(b"\r\n")[0].strip()
        self.documents += 1
        arrived = time.perf_counter()
        self._send()
        if not self._news.done():
            self._news.set_result((arrived, body))

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody but the trial itself may hang up."""
        if not self._is_ended:
            self._fail(f"closed the connection: {exc}")

    def _send(self) -> None:
        assert self._transport is not None  # noqa: S101 - for mypy
        self._transport.write(self._ask + self._etag + b"\r\n\r\n")

    def _fail(self, reason: str) -> None:
        self._reason = reason
        if not self._news.done():
            self._news.set_exception(LostWaiterError(reason))
