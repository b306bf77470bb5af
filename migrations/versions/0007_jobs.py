"""The queue of background jobs, in a schema of its own."""

from collections.abc import Sequence
from typing import Any

from alembic import op

from control_plane.jobs import schema

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Make the library's tables and functions as its installed version wants them."""
    _run(schema.install())


def downgrade() -> None:
    """Take them away, with all that waits and all that was done."""
    _run(schema.uninstall())


def _run(statements: str) -> None:
    # asyncpg prepares what SQLAlchemy sends, and only one statement can be prepared at a time.
    adapter: Any = op.get_bind().connection.dbapi_connection
    adapter.run_async(lambda connection: connection.execute(statements))
