"""What the rows say of each folder, for comparing it with what is there."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from uuid import UUID

from recorder.spool.database import Database
from recorder.spool.directory import RECORDINGS
from recorder.spool.rows import SegmentState


class Inventory:
    """Reads rows a folder at a time, so that neither memory nor the lock feels how many there are."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def folder(self, folder: PurePosixPath) -> dict[str, tuple[UUID, SegmentState]]:
        """By file name, the segments whose files are directly in a folder, which is relative to the spool's."""
        # "0" follows "/": the range is a stretch of the index over the paths.
        rows = self._database.rows(
            "SELECT id, path, state FROM segments WHERE path > ? AND path < ?", (f"{folder}/", f"{folder}0")
        )
        prefix = len(f"{folder}/")
        return {
            row["path"][prefix:]: (UUID(row["id"]), SegmentState(row["state"]))
            for row in rows
            if "/" not in row["path"][prefix:]
        }

    def folders(self) -> Iterator[PurePosixPath]:
        """Every folder that a row names, each with one look into the index."""
        after = f"{RECORDINGS}/"
        while rows := self._database.rows("SELECT path FROM segments WHERE path > ? ORDER BY path LIMIT 1", (after,)):
            folder = PurePosixPath(rows[0]["path"]).parent
            yield folder
            after = f"{folder}0"
