"""The spool's SQLite file: its schema, and transactions that any thread may open."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import overload

from recorder.errors import SpoolTooNew

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_WAIT = timedelta(days=2)

# Moments are whole microseconds since 1970 in UTC: they sort, and survive a round trip exactly.
# Each entry brings the schema from one version to the next; entries are added, never changed.
_MIGRATIONS = (
    """
    CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE recordings (
        id TEXT PRIMARY KEY,
        camera_id TEXT NOT NULL,
        schedule_id TEXT,
        name TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        until INTEGER,
        ended_at INTEGER,
        status TEXT NOT NULL,
        error_code TEXT,
        error_message TEXT,
        frames INTEGER NOT NULL DEFAULT 0,
        size_bytes INTEGER NOT NULL DEFAULT 0,
        registered INTEGER NOT NULL DEFAULT 0,
        reported_status TEXT,
        retry_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX recordings_unregistered ON recordings (started_at) WHERE NOT registered;
    CREATE INDEX recordings_unreported ON recordings (started_at) WHERE reported_status IS NOT status;
    CREATE INDEX recordings_open ON recordings (started_at) WHERE ended_at IS NULL;

    CREATE TABLE segments (
        id TEXT PRIMARY KEY,
        recording_id TEXT NOT NULL REFERENCES recordings (id),
        camera_id TEXT NOT NULL,
        state TEXT NOT NULL,
        path TEXT NOT NULL UNIQUE,
        opened_at INTEGER NOT NULL,
        start_at INTEGER,
        end_at INTEGER,
        size_bytes INTEGER,
        crc32c TEXT,
        sha256 TEXT,
        codec TEXT,
        packets INTEGER,
        clock_error_seconds REAL,
        previous_sha256 TEXT,
        object_name TEXT,
        generation INTEGER,
        upload_session BLOB,
        refusal TEXT,
        retry_at INTEGER
    ) WITHOUT ROWID;
    CREATE INDEX segments_by_state ON segments (state, start_at);
    CREATE INDEX segments_by_recording ON segments (recording_id);

    -- The head of each camera's hash chain and its newest footage outlive the rows of its segments.
    CREATE TABLE cameras (
        id TEXT PRIMARY KEY,
        last_sha256 TEXT NOT NULL,
        last_footage_at INTEGER NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE gaps (
        id TEXT PRIMARY KEY,
        camera_id TEXT NOT NULL,
        schedule_id TEXT,
        recording_id TEXT,
        start_at INTEGER NOT NULL,
        end_at INTEGER NOT NULL,
        cause TEXT NOT NULL,
        detail TEXT NOT NULL,
        retry_at INTEGER
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE events (
        id TEXT PRIMARY KEY,
        camera_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        begin_at INTEGER NOT NULL,
        end_at INTEGER,
        usual TEXT NOT NULL,
        seen TEXT NOT NULL,
        reported INTEGER NOT NULL DEFAULT 0,
        retry_at INTEGER
    ) WITHOUT ROWID;
    """,
)


class Database:
    """One connection that threads take turns on to write, and one to read.

    A transaction is on disk when its block ends, if it isn't hasty. Who only reads never waits for that: a disk that
    takes seconds must not delay what the recorder tells of itself.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        self._wal = path.with_name(f"{path.name}-wal")
        with ExitStack() as undo:
            self._connection = _connected(path)
            undo.callback(self._connection.close)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute("PRAGMA journal_size_limit = 8388608")
            self._migrate(path)
            self._reader = _connected(path)
            self._reader.execute("PRAGMA query_only = ON")
            undo.pop_all()

    @contextmanager
    def hasty_transaction(self) -> Iterator[sqlite3.Connection]:
        """Survives the end of the process, but a power cut only once `sync`, or another transaction, has ended.

        For the threads of cameras: they must not wait for the disk.
        """
        with self._lock:
            # In WAL mode the log is then not synced at the commit; the order of commits stays.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            try:
                with self.transaction() as db:
                    yield db
            finally:
                self._connection.execute("PRAGMA synchronous = FULL")

    def sync(self) -> None:
        """All that was committed is on disk afterwards. Nobody waits for it but the caller."""
        # SQLite's locks are on its other files: closing this descriptor releases none.
        descriptor = os.open(self._wal, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; nested blocks are not supported."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                # On a full or broken disk a COMMIT may leave the transaction open, and SQLite may have rolled back
                # already: https://www.sqlite.org/lang_transaction.html
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """All rows of a query, as of the last transaction that ended."""
        with self._reading:
            return self._reader.execute(query, parameters).fetchall()

    def fact(self, name: str) -> str | None:
        rows = self.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0]["value"]) if rows else None

    def set_fact(self, name: str, value: str) -> None:
        with self.transaction() as db:
            db.execute(
                "INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (name, value)
            )

    def close(self) -> None:
        with self._reading:
            self._reader.close()
        with self._lock:
            self._connection.close()

    def _migrate(self, path: Path) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_MIGRATIONS):
            raise SpoolTooNew(
                f"{path} has schema {version}, this recorder knows {len(_MIGRATIONS)}: "
                "a newer recorder wrote it; install that version again."
            )
        for number, migration in enumerate(_MIGRATIONS[version:], start=version + 1):
            # DDL is transactional in SQLite: a power cut in here leaves the version before.
            self._connection.executescript(f"BEGIN IMMEDIATE; {migration} PRAGMA user_version = {number}; COMMIT;")


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    connection.row_factory = sqlite3.Row
    return connection


@overload
def to_column(moment: datetime) -> int: ...
@overload
def to_column(moment: datetime | None) -> int | None: ...
def to_column(moment: datetime | None) -> int | None:
    """An aware moment as the schema keeps it."""
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


@overload
def from_column(column: int) -> datetime: ...
@overload
def from_column(column: int | None) -> datetime | None: ...
def from_column(column: int | None) -> datetime | None:
    """The moment, aware, in UTC."""
    return None if column is None else _EPOCH + timedelta(microseconds=column)


def waiting(now: datetime) -> tuple[int, int]:
    """The range of `retry_at` that is still to be waited for.

    Nothing is ever put off for so long as its end: such a moment was set while the clock was far ahead.
    """
    begin = to_column(now)
    return begin + 1, begin + _LONGEST_WAIT // timedelta(microseconds=1)
