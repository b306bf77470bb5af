"""Retention in the store: for how long, what was deleted, and which objects the store itself holds."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns and indexes; everything is kept for ever as before."""
    op.add_column("cameras", sa.Column("retention_days", sa.Integer(), nullable=True))
    op.add_column("segments", sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("segments", sa.Column("deletion_reason", sa.Text(), nullable=True))
    op.create_index(
        "ix_segments_stored", "segments", ["camera_id", "started_at"], postgresql_where=sa.text("state = 'stored'")
    )
    op.add_column("recordings", sa.Column("objects_held_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_recordings_objects_held",
        "recordings",
        ["client_id"],
        postgresql_where=sa.text("objects_held_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Forget what was deleted: such segments count as offered again, since nothing proves them any more."""
    op.drop_index("ix_recordings_objects_held", "recordings")
    op.drop_column("recordings", "objects_held_at")
    op.drop_index("ix_segments_stored", "segments")
    op.execute("UPDATE segments SET state = 'offered' WHERE state = 'deleted'")
    op.drop_column("segments", "deletion_reason")
    op.drop_column("segments", "deleted_at")
    op.drop_column("cameras", "retention_days")
