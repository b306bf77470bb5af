"""What an error says of the recorder's disk, in the recorder's own words."""

import errno
import sqlite3

from recorder.errors import DiskFailed, DiskFull, DiskGone, SpoolError

DISK_ERRORS = (OSError, sqlite3.Error, SpoolError)
"""What a disk that is full, broken, read-only or away makes of a call to the spool or to a file of it."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
_OF_THE_DISK = {
    errno.EIO,
    errno.EROFS,
    errno.ENODEV,
    errno.ENXIO,
    errno.ESTALE,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
}
_OF_THE_DATABASES_DISK = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
_PRIMARY_CODE = 0xFF
"""https://www.sqlite.org/rescode.html: the low byte is the kind, the others its details."""


def disk_failure(error: Exception) -> DiskFailed:
    """The failure that one of `DISK_ERRORS` is, with the cause that its gap has."""
    if isinstance(error, SpoolError):
        return DiskGone(str(error))
    if isinstance(error, sqlite3.Error):
        return _database_failure(error)
    if isinstance(error, OSError) and error.errno in _FULL:
        return DiskFull("The disk is full: it has no space, or no inodes, left.")
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return DiskFailed("The disk is mounted read-only, perhaps after an error: check it.")
    return DiskFailed(f"The disk can't be written: {getattr(error, 'strerror', None) or error}")


def may_pass(error: OSError | sqlite3.Error) -> bool:
    """Whether it is the disk that fails, so that the same call may succeed later; else the settings are wrong."""
    if isinstance(error, OSError):
        return error.errno in _FULL | _OF_THE_DISK
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _OF_THE_DATABASES_DISK


def _database_failure(error: sqlite3.Error) -> DiskFailed:
    kind = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if kind == sqlite3.SQLITE_FULL:
        return DiskFull("The disk of the recorder's own database is full.")
    return DiskFailed(f"The recorder's own database can't be written: {error}")
