"""The spool's commands: which were begun, and how they ended, so that none is carried out twice."""

from datetime import datetime, timedelta
from uuid import UUID

from recorder.spool.database import Database, to_column
from recorder.spool.rows import BegunCommand

_KEPT = timedelta(days=30)
"""Longer than any command waits to be taken, or its end to be told."""


class Commands:
    """Rows of commands that were begun."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, command_id: UUID, kind: str, now: datetime) -> bool:
        """It is carried out now; False if it was begun before. On disk when it returns: a power cut changes nothing."""
        with self._database.transaction() as db:
            db.execute("DELETE FROM commands WHERE begun_at < ?", (to_column(now - _KEPT),))
            begun = db.execute(
                "INSERT INTO commands (id, kind, begun_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (str(command_id), kind, to_column(now)),
            )
            return begun.rowcount > 0

    def was_begun(self, command_id: UUID) -> bool:
        """Whether it was, by this run or one before."""
        return bool(self._database.rows("SELECT 1 FROM commands WHERE id = ?", (str(command_id),)))

    def end(self, command_id: UUID, result: str) -> None:
        """This is how it ended, and is still to be told."""
        with self._database.transaction() as db:
            db.execute("UPDATE commands SET result = ? WHERE id = ?", (result, str(command_id)))

    def mark_told(self, command_id: UUID) -> None:
        """The control plane knows how it ended."""
        with self._database.transaction() as db:
            db.execute("UPDATE commands SET told = 1 WHERE id = ?", (str(command_id),))

    def untold(self) -> list[BegunCommand]:
        """Those whose end the control plane doesn't know, oldest first."""
        rows = self._database.rows("SELECT * FROM commands WHERE NOT told ORDER BY begun_at, id")
        return [BegunCommand(UUID(row["id"]), row["kind"], row["result"]) for row in rows]
