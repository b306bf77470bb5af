"""How often a service turns to PostgreSQL and waits for an answer, counted on the wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy.engine import make_url

# Each ends something that the client waits for (PostgreSQL's manual, 54.7): Query and Sync.
_ASKS = (b"Q", b"S")
# Whether the connection that listens is still there, every 20 s.
_PROBE = b"SELECT 1\0"


@dataclass(slots=True)
class Wire:
    """Between a service and its PostgreSQL."""

    url: str
    """Of the database, for the service."""
    round_trips: int = 0


@contextlib.asynccontextmanager
async def counted_wire(url: str) -> AsyncIterator[Wire]:
    """A port in front of the database at `url` that counts what is asked through it."""
    database = make_url(url)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving is not None
        connections.add(serving)
        up_reader, up_writer = await asyncio.open_connection(database.host, database.port)
        try:
            # Whichever side ends first, the other has to follow.
            ends = [
                asyncio.create_task(_pass_on(up_reader, writer)),
                asyncio.create_task(_count(wire, reader, up_writer)),
            ]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
            for side in (writer, up_writer):
                side.transport.abort()
                with contextlib.suppress(OSError):
                    await side.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    wire = Wire(database.set(port=port).render_as_string(hide_password=False))
    try:
        yield wire
    finally:
        server.close()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65536):
        writer.write(content)
        await writer.drain()
    writer.close()


async def _count(wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What the client sends: start-up messages without a kind, then messages that begin with theirs."""
    is_started = False
    while True:
        kind = b"" if not is_started else await reader.readexactly(1)
        length = await reader.readexactly(4)
        content = await reader.readexactly(int.from_bytes(length) - 4)
        if not is_started:
            # 196608 is the protocol's version 3.0; anything else asks for encryption, or to cancel something.
            is_started = content[:4] == (196608).to_bytes(4)
        wire.round_trips += kind in _ASKS and content != _PROBE
        writer.write(kind + length + content)
        await writer.drain()
