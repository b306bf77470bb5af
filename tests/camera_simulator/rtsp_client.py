"""A client that says exactly what the test wants, for what libav never says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

LIMIT_SECONDS = 10


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: str


class RtspClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str) -> None:
        self.reader, self.writer, self.url = reader, writer, url
        self._sequence = 0

    async def ask(self, method: str, track: str = "", **headers: str) -> Reply:
        self.send(method, track, **headers)
        return await self.reply()

    def send(self, method: str, track: str = "", **headers: str) -> None:
        self._sequence += 1
        lines = [f"{method} {self.url}{track} RTSP/1.0", f"CSeq: {self._sequence}"]
        lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())

    async def reply(self) -> Reply:
        """The next answer; packets that come before it are passed over."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while (first := await self.reader.readexactly(1)) == b"$":
                await self._rest_of_packet()
            head = (first + await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *lines = head.strip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            body = await self.reader.readexactly(int(headers.get("Content-Length", "0")))
            return Reply(int(status.split(" ")[1]), headers, body.decode())

    async def packet(self) -> tuple[int, bytes]:
        """Channel and data of the next interleaved packet."""
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await self.reader.readexactly(1) == b"$"
            return await self._rest_of_packet()

    async def ended(self) -> bool:
        """Whether the server ends the connection in order, after whatever it still sends."""
        async with asyncio.timeout(LIMIT_SECONDS):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                return False
            return True

    async def _rest_of_packet(self) -> tuple[int, bytes]:
        channel, high, low = await self.reader.readexactly(3)
        return channel, await self.reader.readexactly(high << 8 | low)

    async def play(self, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1") -> str:
        """Sets the video up and starts it; returns the session id."""
        reply = await self.ask("SETUP", "/track0", Transport=transport)
        assert reply.status == 200
        session = reply.headers["Session"].partition(";")[0]
        assert (await self.ask("PLAY", Session=session)).status == 200
        return session


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RtspClient]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield RtspClient(reader, writer, url)
    finally:
        writer.close()
