"""Config push: who waits for a change of which recorder's configuration, and the one connection that hears of them."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import structlog
from sqlalchemy.engine import URL, make_url

CHANNEL = "config_changed"

_CONNECT_SECONDS = 5.0
# Finds out that the database's host is gone without a word; TCP alone would take hours.
_PROBE_EVERY_SECONDS = 20.0
_PROBE_SECONDS = 5.0
_READING_AT_ONCE = 4
_SQLALCHEMYS_OWN = {"prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"}
_RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)

log = structlog.get_logger()


class ConfigChanges:
    """The changes of recorders' configurations, as PostgreSQL tells them to every replica.

    A waiter holds no connection: ten thousand of them are ten thousand events in one dictionary.
    """

    def __init__(self) -> None:
        self._waiting: dict[uuid.UUID, set[asyncio.Event]] = {}
        self._revisions: dict[uuid.UUID, str] = {}
        self._closed = False
        self._is_listening = asyncio.Event()
        self.reading_turn = asyncio.Semaphore(_READING_AT_ONCE)
        """For reading the configuration after a change that woke many."""

    @contextlib.contextmanager
    def watch(self, client_id: uuid.UUID) -> Iterator[asyncio.Event]:
        """An event that is set by every change from here on: watch first, then read the configuration."""
        changed = asyncio.Event()
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

    def remember(self, client_id: uuid.UUID, revision: str, changed: asyncio.Event) -> None:
        """Keep the revision that was read while `changed` was watched, until the next change."""
        if self._is_listening.is_set() and not changed.is_set():
            self._revisions[client_id] = revision

    def newest_revision(self, client_id: uuid.UUID) -> str | None:
        """The revision as it was last read, if nothing changed since as far as we hear."""
        return self._revisions.get(client_id)

    def changed(self, client_id: uuid.UUID) -> None:
        """Wake those who wait for this recorder's configuration."""
        self._revisions.pop(client_id, None)
        for event in self._waiting.get(client_id, ()):
            event.set()

    def all_changed(self) -> None:
        """Wake everybody: something may have been missed."""
        self._revisions.clear()
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
                    self._is_listening.set()
                    log.info("config_push_listening")
                    await _until_gone(connection, gone)
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
            ) as error:
                log.warning("config_push_interrupted", error=type(error).__name__)
            self._is_listening.clear()
            self._revisions.clear()
            await asyncio.sleep(_RETRY_SECONDS[min(failures, len(_RETRY_SECONDS) - 1)])
            failures += 1

    def _heard(self, _connection: Any, _process_id: int, _channel: str, payload: object) -> None:
        try:
            self.changed(uuid.UUID(str(payload)))
        except ValueError:
            log.warning("config_push_unreadable", payload=str(payload)[:64])


@contextlib.asynccontextmanager
async def _connected(url: URL) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    # What the engine would connect with, less what only SQLAlchemy knows.
    _, how = url.get_dialect()().create_connect_args(url)
    how = {name: value for name, value in how.items() if name not in _SQLALCHEMYS_OWN}
    connection = await asyncpg.connect(
        **how, timeout=_CONNECT_SECONDS, server_settings={"application_name": "camfleet-config-push"}
    )
    try:
        yield connection
    finally:
        connection.terminate()


def _termination_of(connection: "asyncpg.Connection[asyncpg.Record]") -> asyncio.Event:
    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    return gone


async def _until_gone(connection: "asyncpg.Connection[asyncpg.Record]", gone: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PROBE_EVERY_SECONDS):
                await gone.wait()
        if gone.is_set():
            raise ConnectionResetError
        await connection.execute("SELECT 1", timeout=_PROBE_SECONDS)
