"""Holds in the store: which recordings are to be looked after, and what each segment's object was asked for."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Replace the mark up to which a recording was done; all that is held, or was, is asked for once more."""
    op.add_column("recordings", sa.Column("holds_unsettled_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_recordings_holds_unsettled",
        "recordings",
        ["holds_unsettled_at"],
        postgresql_where=sa.text("holds_unsettled_at IS NOT NULL"),
    )
    op.add_column(
        "segments",
        sa.Column(
            "store_hold", sa.Enum("asked", "held", name="storehold", native_enum=False, length=32), nullable=True
        ),
    )
    op.execute(
        "UPDATE segments SET store_hold = 'asked' FROM recordings WHERE recordings.id = segments.recording_id"
        " AND recordings.objects_held_at IS NOT NULL AND segments.state = 'stored'"
    )
    op.execute(
        "UPDATE recordings SET holds_unsettled_at = now() WHERE held_at IS NOT NULL OR objects_held_at IS NOT NULL"
    )
    op.drop_index("ix_recordings_objects_held", "recordings")
    op.drop_column("recordings", "objects_held_at")


def downgrade() -> None:
    """Go back to the mark, at the beginning: all that is held, or was, is asked for once more."""
    op.add_column("recordings", sa.Column("objects_held_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "ix_recordings_objects_held",
        "recordings",
        ["client_id"],
        postgresql_where=sa.text("objects_held_at IS NOT NULL"),
    )
    op.execute(
        "UPDATE recordings SET objects_held_at = to_timestamp(0)"
        " WHERE id IN (SELECT recording_id FROM segments WHERE store_hold IS NOT NULL)"
    )
    op.drop_column("segments", "store_hold")
    op.drop_index("ix_recordings_holds_unsettled", "recordings")
    op.drop_column("recordings", "holds_unsettled_at")
