"""The spool as a whole: one folder, one lock, one database, and what they say of the last run."""

import sqlite3
import threading
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Self
from uuid import UUID

from uuid_utils.compat import uuid7

from recorder.disk_failures import disk_failure, may_pass
from recorder.errors import FolderUnusable, SpoolError
from recorder.spool.chains import Chains
from recorder.spool.commands import Commands
from recorder.spool.database import Database
from recorder.spool.directory import Lock, Marker
from recorder.spool.events import Events
from recorder.spool.gaps import Gaps
from recorder.spool.holds import Holds
from recorder.spool.inventory import Inventory
from recorder.spool.recordings import Recordings
from recorder.spool.removals import Removals
from recorder.spool.segments import Segments
from recorder.spool.upload_queue import UploadQueue

_DATABASE = "spool.sqlite3"
_LOCK = "spool.lock"
_CLIENT = "client_id"
_BY_HAND = "by_hand"


class Spool:
    """The recorder's disk. Every call may come from any thread, and may wait for an fsync: keep it off the loop.

    The database and the lock lie in the base folder, segment files and the marker in `recordings/` below it, so that
    a data disk can be mounted there and is missed when it isn't.
    """

    def __init__(self, base: Path, lock: Lock, database: Database) -> None:
        self.base = base
        self._lock = lock
        self._database = database
        self.recorder_id = _own_id(database)
        known = database.fact(_CLIENT)
        self.client_id = self._kept_client_id = UUID(known) if known else None
        self._marker = Marker(base, self.recorder_id)
        self.recordings = Recordings(database)
        self.segments = Segments(database, base, self.recorder_id)
        self.chains = Chains(database)
        self.gaps = Gaps(database)
        self.events = Events(database)
        self.commands = Commands(database)
        removing = threading.Lock()
        self.holds = Holds(database, removing)
        self.removals = Removals(database, self.segments, self.holds, removing)
        self.inventory = Inventory(database)
        self.uploads = UploadQueue(database)
        if not self.segments.exist() and not self._marker.exists():
            self._marker.write()

    @classmethod
    def open(cls, base: Path) -> Self:
        """Take the folder, making what is missing.

        SpoolBusy if another recorder has it, SpoolTooNew, FolderUnusable while its disk fails, SpoolError if it can't
        be written for another reason. A missing data disk is no error here: the recorder is to run and say so;
        `check_disk` tells.
        """
        try:
            base.mkdir(parents=True, exist_ok=True)
            lock = Lock(base / _LOCK)
        except OSError as error:
            raise unusable(base, error) from error
        with ExitStack() as undo:
            undo.callback(lock.release)
            try:
                database = Database(base / _DATABASE)
                undo.callback(database.close)
                spool = cls(base, lock, database)
            except (OSError, sqlite3.Error) as error:
                raise unusable(base, error) from error
            undo.pop_all()
            return spool

    def close(self) -> None:
        """Let go of the folder."""
        self._database.close()
        self._lock.release()

    def check_disk(self) -> None:
        """Raises DiskMissing if the data disk isn't the one that holds the footage. Cheap: asked for every segment."""
        self._marker.check()

    def sync(self) -> None:
        """Every row that was written is on disk afterwards. OSError."""
        self._database.sync()

    def tidy(self) -> None:
        """Keep the SQLite file small, in short steps."""
        self._database.tidy()

    def log_bytes(self) -> int:
        """The size of the SQLite file's write-ahead log: small, unless another program reads the file for long."""
        return self._database.log_bytes()

    def accept_disk(self) -> None:
        """An operator says that the disk was replaced: its footage counts as lost from the next start on."""
        self._marker.write()

    def know_client(self, client_id: UUID) -> None:
        """The control plane said who this is. Waits for no disk: `kept_client_id` keeps it."""
        if client_id.int:  # a control plane without `GET config` doesn't say
            self.client_id = client_id

    def kept_client_id(self) -> UUID | None:
        """Who the recorder is to the control plane, which it knows from now on also without having heard from it."""
        if self.client_id != self._kept_client_id:
            self._database.set_fact(_CLIENT, str(self.client_id))
            self._kept_client_id = self.client_id
        return self.client_id

    def last_alive(self) -> datetime | None:
        """When the last run, or this one, last said that all until then is accounted for."""
        text = self._database.fact("alive_at")
        return datetime.fromisoformat(text) if text else None

    def mark_alive(self, now: datetime) -> None:
        """All due time until `now` is footage or a gap, or in an open segment."""
        self._database.set_fact("alive_at", now.isoformat())

    def by_hand(self) -> str | None:
        """What people asked for by hand, as it was kept last."""
        return self._database.fact(_BY_HAND)

    def keep_by_hand(self, text: str) -> None:
        """For the next run, should this one end."""
        self._database.set_fact(_BY_HAND, text)

    def last_boot(self) -> str | None:
        """The machine's boot in which the last run was; None when it ended in order."""
        return self._database.fact("boot") or None

    def mark_boot(self, boot_id: str) -> None:
        """A run begins; the empty string says that it ended in order."""
        self._database.set_fact("boot", boot_id)


def unusable(base: Path, error: OSError | sqlite3.Error) -> SpoolError:
    """What to say of a folder that can't be used for this reason."""
    if may_pass(error):
        return FolderUnusable(f"{base} can't be used. {disk_failure(error)}")
    return SpoolError(f"{base} can't be used: {getattr(error, 'strerror', None) or error}. Set RECORDING_BASE_DIR.")


def _own_id(database: Database) -> UUID:
    known = database.fact("recorder_id")
    if known:
        return UUID(known)
    new = uuid7()
    database.set_fact("recorder_id", str(new))
    return new
