"""Config push: who waits for a change of which recorder's configuration, and the one connection that hears of them.

What was read of a configuration is remembered until the next change. Nobody gets an old one for that: who calls is
asked for on the connection that listens, and PostgreSQL sends it what other transactions have said before it sends the
answer. So whatever was committed before the question is heard before the answer is.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import structlog
from sqlalchemy.engine import URL, make_url

from control_plane.direct import GONE, Connection, Record, connect_arguments
from control_plane.local_client.rendered import Rendered, Shelf

CHANNEL = "config_changed"

# Finds out that the database's host is gone without a word; TCP alone would take hours.
_PROBE_EVERY_SECONDS = 20.0
_PROBE_SECONDS = 5.0
_READING_AT_ONCE = 4
_STATEMENT_SECONDS = 5.0
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger()


class Change(asyncio.Event):
    """Set by every change; whoever can't wait for it is called."""

    def __init__(self) -> None:
        super().__init__()
        self.wake: Callable[[], None] | None = None

    def set(self) -> None:
        """There is a change."""
        super().set()
        if self.wake is not None:
            self.wake()


class ConfigChanges:
    """The changes of recorders' configurations, as PostgreSQL tells them to every replica.

    A waiter holds no connection: ten thousand of them are ten thousand events in one dictionary.
    """

    def __init__(self) -> None:
        self._waiting: dict[uuid.UUID, set[Change]] = {}
        self._shelf = Shelf()
        self._closed = False
        self._is_listening = asyncio.Event()
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self.reading_turn = asyncio.Semaphore(_READING_AT_ONCE)
        """For reading the configuration after a change that woke many."""

    @contextlib.contextmanager
    def watch(self, client_id: uuid.UUID) -> Iterator[Change]:
        """An event that is set by every change from here on: watch first, then read the configuration."""
        changed = Change()
        if self._closed:
            changed.set()
        self._waiting.setdefault(client_id, set()).add(changed)
        try:
            yield changed
        finally:
            waiting = self._waiting[client_id]
            waiting.discard(changed)
            if not waiting:
                del self._waiting[client_id]

    @property
    def waiting(self) -> int:
        """How many are waiting."""
        return sum(map(len, self._waiting.values()))

    @property
    def is_closed(self) -> bool:
        """Whether the process is about to end, so that nobody should wait any more."""
        return self._closed

    def remember(self, client_id: uuid.UUID, rendered: Rendered, changed: asyncio.Event) -> None:
        """Keep what was read while `changed` was watched, until the next change."""
        if self._is_listening.is_set() and not changed.is_set():
            self._shelf.put(client_id, rendered)

    def newest(self, client_id: uuid.UUID) -> Rendered | None:
        """The documents as they were last read, if nothing changed since as far as we hear."""
        return self._shelf.get(client_id, datetime.now(UTC))

    def newest_revision(self, client_id: uuid.UUID) -> str | None:
        """The same, but the revision alone, which is remembered of more clients."""
        return self._shelf.revision(client_id, datetime.now(UTC))

    def changed(self, client_id: uuid.UUID) -> None:
        """Wake those who wait for this recorder's configuration."""
        self._shelf.drop(client_id)
        for event in self._waiting.get(client_id, ()):
            event.set()

    def all_changed(self) -> None:
        """Wake everybody: something may have been missed."""
        self._shelf.clear()
        for events in self._waiting.values():
            for event in events:
                event.set()

    def release(self) -> None:
        """Let everybody go at once, for good: the process is about to end."""
        self._closed = True
        self.all_changed()

    async def until_listening(self) -> None:
        """Wait for the connection to PostgreSQL; the caller sets the limit."""
        await self._is_listening.wait()

    async def ask(self, statement: str, *arguments: object) -> list[Record] | None:
        """Run one statement on the connection that listens, one at a time; None if nobody listens just now."""
        async with self._turn:
            connection = self._connection
            if connection is None:
                return None
            try:
                return await connection.fetch(statement, *arguments, timeout=_STATEMENT_SECONDS)
            except GONE:
                connection.terminate()
                return None

    @contextlib.asynccontextmanager
    async def listening(self, database_url: str) -> AsyncIterator[None]:
        """Keep listening to the database at `database_url` (`postgresql+asyncpg://...`); at the end, let all go."""
        async with asyncio.TaskGroup() as tasks:
            listener = tasks.create_task(self._listen(make_url(database_url)), name="config-changes")
            try:
                yield
            finally:
                self.release()
                listener.cancel()

    async def _listen(self, url: URL) -> None:
        failures = 0
        while True:
            try:
                async with _connected(url) as connection:
                    gone = _termination_of(connection)
                    await connection.add_listener(CHANNEL, self._heard)
                    failures = 0
                    # What was said while nobody listened is unknown.
                    self.all_changed()
                    self._connection = connection
                    self._is_listening.set()
                    log.info("config_push_listening")
                    await self._until_gone(connection, gone)
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
            ) as error:
                log.warning("config_push_interrupted", error=type(error).__name__)
            self._connection = None
            self._is_listening.clear()
            self._shelf.clear()
            await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            failures += 1

    async def _until_gone(self, connection: Connection, gone: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_EVERY_SECONDS):
                    await gone.wait()
            if gone.is_set():
                raise ConnectionResetError
            async with self._turn:
                await connection.execute("SELECT 1", timeout=_PROBE_SECONDS)

    def _heard(self, _connection: Any, _process_id: int, _channel: str, payload: object) -> None:
        try:
            self.changed(uuid.UUID(str(payload)))
        except ValueError:
            log.warning("config_push_unreadable", payload=str(payload)[:64])


@contextlib.asynccontextmanager
async def _connected(url: URL) -> AsyncIterator[Connection]:
    how = connect_arguments(
        url,
        _STATEMENT_SECONDS,
        application_name="camfleet-config-push",
        # What is written here is when a recorder was last heard of. Whoever waits for its answer need not wait until
        # the disk has that too.
        synchronous_commit="off",
    )
    connection = await asyncpg.connect(**how)
    try:
        yield connection
    finally:
        connection.terminate()


def _termination_of(connection: Connection) -> asyncio.Event:
    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    return gone
