"""Which store a segment's object lies in, so that another store is never asked to delete it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the column; of what is stored already nobody noted it, so it counts as lying where STORAGE_URL says."""
    op.add_column("segments", sa.Column("store_url", sa.Text(), server_default="", nullable=False))
    op.drop_index("ix_segments_stored", "segments")
    op.create_index(
        "ix_segments_stored",
        "segments",
        ["camera_id", "store_url", "started_at"],
        postgresql_where=sa.text("state = 'stored'"),
    )


def downgrade() -> None:
    """Forget it: everything counts as lying where STORAGE_URL says."""
    op.drop_index("ix_segments_stored", "segments")
    op.create_index(
        "ix_segments_stored", "segments", ["camera_id", "started_at"], postgresql_where=sa.text("state = 'stored'")
    )
    op.drop_column("segments", "store_url")
