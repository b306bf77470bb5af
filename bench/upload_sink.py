"""A server that takes uploads and throws them away, as cheaply as Python can: `python -m bench.upload_sink`.

It answers a plain PUT, and the requests of Google's resumable uploads; it believes every checksum that it is told.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

BUFFER_BYTES = 1024 * 1024


class _Sink(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self) -> None:
        self._buffer = bytearray(BUFFER_BYTES)
        self._head = b""
        self._answer = b""
        self._missing = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the types
        self._transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._missing:
            self._take(nbytes)
            return
        self._head += self._buffer[:nbytes]
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if found:
            self._head = b""
            self._begin(head.decode("latin-1"))
            self._take(len(rest))

    def _begin(self, head: str) -> None:
        request, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        self._missing = int(headers.get("content-length", "0"))
        self._answer = _answer(request.split(" ")[0], headers)

    def _take(self, count: int) -> None:
        self._missing -= count
        if not self._missing:
            self._transport.write(self._answer)


def _answer(method: str, headers: dict[str, str]) -> bytes:
    if method == "POST":
        return _response("200 OK", f"Location: http://{headers['host']}/session\r\n")
    told = headers.get("content-range")
    if told is None:
        return _response("200 OK")
    span, _, size = told.removeprefix("bytes ").partition("/")
    if span == "*":
        return _response("308 Resume Incomplete")
    last = int(span.partition("-")[2])
    if last + 1 < int(size):
        return _response("308 Resume Incomplete", f"Range: bytes=0-{last}\r\n")
    crc32c = headers.get("x-goog-hash", "").removeprefix("crc32c=")
    return _response("200 OK", body=json.dumps({"generation": "1", "crc32c": crc32c, "size": size}))


def _response(status: str, headers: str = "", body: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n{body}".encode()


@asynccontextmanager
async def sink() -> AsyncIterator[str]:
    """The address of one in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.upload_sink", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None  # noqa: S101 - for the types
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}"
    finally:
        process.kill()
        await process.wait()


async def _main() -> None:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main())
