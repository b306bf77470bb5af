"""Hold recordings: their local files are kept from every rule of retention, and their recorder is told at once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column, an index over the few that are held, and the notification."""
    op.add_column("recordings", sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index("ix_recordings_held", "recordings", ["client_id"], postgresql_where=sa.text("held_at IS NOT NULL"))
    op.execute(
        "CREATE FUNCTION recordings_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN PERFORM pg_notify('config_changed', NEW.client_id::text); RETURN NULL; END $$"
    )
    # Not for every status and figure that is reported: only for what the recorder is told.
    op.execute(
        "CREATE TRIGGER config_changed_by_hold AFTER UPDATE OF held_at ON recordings FOR EACH ROW "
        "WHEN ((OLD.held_at IS NULL) IS DISTINCT FROM (NEW.held_at IS NULL)) "
        "EXECUTE FUNCTION recordings_config_changed()"
    )


def downgrade() -> None:
    """Forget all holds."""
    op.execute("DROP TRIGGER config_changed_by_hold ON recordings")
    op.execute("DROP FUNCTION recordings_config_changed()")
    op.drop_index("ix_recordings_held", "recordings")
    op.drop_column("recordings", "held_at")
