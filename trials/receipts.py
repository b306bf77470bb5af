"""Watches a recorder's disk while it is drained: whatever is gone has its receipt, and its object."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy.engine import make_url

from trials.backlog import Waiting, is_whole

_LOOK_SECONDS = 0.02
_ANSWER_SECONDS = 5.0
_UP_SECONDS = 60.0
# A server that is killed while it lets somebody in confuses asyncpg: that is the last but one.
_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, TimeoutError)


@dataclass
class Receipts:
    """What has gone from the disk, and what of it went too early."""

    segments: Sequence[Waiting]
    database: str
    store: Path
    """The folder with the objects."""
    gone: set[UUID] = field(default_factory=set)
    too_early: list[str] = field(default_factory=list)
    looks: int = 0
    """How often the database was asked about what had just gone."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, count: int) -> None:
        """Until so many have gone."""
        while len(self.gone) < count:
            self._news.clear()
            await self._news.wait()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """What has gone since the last look is asked for now; later, while the database is down."""
        left = [segment for segment in self.segments if segment.id not in self.gone]
        went = await asyncio.to_thread(lambda: [segment for segment in left if not segment.file.exists()])
        if not went:
            return
        try:
            names = await self._names_of_stored(segment.id for segment in went)
        except _AWAY:
            return
        self.looks += 1
        for segment in went:
            name = names.get(segment.id)
            if name is None:
                self.too_early.append(f"{segment.id}: deleted before its receipt")
            elif not await asyncio.to_thread(is_whole, self.store / name, segment):
                self.too_early.append(f"{segment.id}: deleted without a whole object")
        self.gone |= {segment.id for segment in went}
        self._news.set()

    async def _names_of_stored(self, ids: Iterable[UUID]) -> dict[UUID, str]:
        query = "SELECT id, object_name FROM segments WHERE state = 'stored' AND id = ANY($1)"
        return {row["id"]: row["object_name"] for row in await rows(self.database, query, list(ids))}


async def wait_until_up(database: str) -> None:
    """Until it answers."""
    async with asyncio.timeout(_UP_SECONDS):
        while True:
            try:
                await rows(database, "SELECT 1")
            except _AWAY:
                await asyncio.sleep(_LOOK_SECONDS)
            else:
                return


async def rows(database: str, query: str, *parameters: object) -> list[asyncpg.Record]:
    """What is committed, by a connection of its own."""
    url = make_url(database)
    async with asyncio.timeout(_ANSWER_SECONDS):
        connection = await asyncpg.connect(
            user=url.username, password=url.password, host=url.host, port=url.port, database=url.database, ssl=False
        )
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *parameters)
            return found
        finally:
            await connection.close(timeout=_ANSWER_SECONDS)


@dataclass
class Objects:
    """Whether an object in a folder was ever written a second time: then it is another file, or has another time."""

    folder: Path
    replaced: set[str] = field(default_factory=set)
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)

    def look(self, said: Callable[[str], None] = lambda _: None) -> None:
        """Compare with all looks before."""
        for file in self.folder.rglob("*.mp4"):
            if file.name.startswith("."):
                continue
            found, name = file.stat(), file.relative_to(self.folder).as_posix()
            seen = self._seen.setdefault(name, (found.st_ino, found.st_mtime_ns))
            if seen != (found.st_ino, found.st_mtime_ns) and name not in self.replaced:
                self.replaced.add(name)
                said(f"{name} was written again")
