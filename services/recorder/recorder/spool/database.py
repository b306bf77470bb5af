"""The spool's SQLite file: transactions that any thread may open, and the care that keeps it small and fast."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import overload

from recorder.errors import SpoolTooNew
from recorder.spool.schema import MIGRATIONS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_WAIT = timedelta(days=2)
_BUSY_SECONDS = 30
_CLAIM_SECONDS = 1
_EXCLUSIVE, _SHARED = "unix-excl", "unix"
"""SQLite's ways to lock a file: against other processes for as long as it is open, or by the transaction."""
_LOG_BYTES = 8 << 20
"""The write-ahead log is cut back to this when it is written to the file."""

_CONVERTED_BYTES = 64 << 20
"""An older file up to this size is rewritten at once, so that it can shrink. Freed pages are used again anyway."""
_INCREMENTAL = 2
_SLACK = 4
"""One page in so many may stay free: footage comes and goes, and giving back what is needed again costs writes."""
_SLACK_PAGES = 256
_PAGES_A_STEP = 256
"""1 MiB: nobody waits longer for the lock than that takes."""
_STEPS = 16


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
            self._connection, self.is_alone = _opened(path)
            undo.callback(self._connection.close)
            self._connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")  # heeded before the first table only
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            self._migrate(path)
            is_small = path.stat().st_size <= _CONVERTED_BYTES
            if self.is_alone and is_small and self._number("auto_vacuum") != _INCREMENTAL:
                self._connection.execute("VACUUM")
            self._reader = _connected(path, _EXCLUSIVE if self.is_alone else _SHARED, _BUSY_SECONDS)
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

    def tidy(self) -> None:
        """Give room that deleted rows left back to the disk, in steps that keep nobody waiting; keep the log short.

        Every step is a transaction: a kill in the middle leaves the file as it was before that step.
        """
        for _ in range(_STEPS):
            with self._lock:
                if self._number("freelist_count") <= max(self._number("page_count") // _SLACK, _SLACK_PAGES):
                    break
                # It gives a page back with each step of the statement, and `execute` takes one step only.
                self._connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")
        with self._lock:
            if self.log_bytes() > _LOG_BYTES:
                # Without waiting for another program that reads.
                self._connection.execute("PRAGMA busy_timeout = 0")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")

    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        try:
            return self._wal.stat().st_size
        except FileNotFoundError:
            return 0

    def close(self) -> None:
        with self._reading:
            self._reader.close()
        with self._lock:
            self._connection.close()

    def _number(self, pragma: str) -> int:
        return int(self._connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _migrate(self, path: Path) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(MIGRATIONS):
            raise SpoolTooNew(
                f"{path} has schema {version}, this recorder knows {len(MIGRATIONS)}: "
                "a newer recorder wrote it; install that version again."
            )
        for number, migration in enumerate(MIGRATIONS[version:], start=version + 1):
            # DDL is transactional in SQLite: a power cut in here leaves the version before.
            self._connection.executescript(f"BEGIN IMMEDIATE; {migration} PRAGMA user_version = {number}; COMMIT;")


def _opened(path: Path) -> tuple[sqlite3.Connection, bool]:
    """The connection that writes, and whether all other programs are kept out.

    One that reads for long would let the log grow without end. Whoever is in already can't be put out: then it is
    shared, since recording goes first, and `Spool.log_bytes` shows what comes of it.
    """
    connection = _connected(path, _EXCLUSIVE, _CLAIM_SECONDS)
    try:
        connection.execute("PRAGMA schema_version").fetchall()
    except sqlite3.OperationalError as error:
        connection.close()
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the low byte is the kind, the others its details
            raise
        return _connected(path, _SHARED, _BUSY_SECONDS), False
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
    return connection, True


def _connected(path: Path, vfs: str, busy_seconds: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?vfs={vfs}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=busy_seconds,
    )
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
