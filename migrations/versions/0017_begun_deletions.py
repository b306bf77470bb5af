"""Deletions that were begun: what is written down before the first object goes, so that a killed one is found."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the table; it holds one row for each batch that is under way."""
    op.create_table(
        "begun_deletions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("earliest", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latest", sa.DateTime(timezone=True), nullable=False),
        sa.Column("segment_ids", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_begun_deletions")),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_begun_deletions_camera_id_cameras"), ondelete="CASCADE"
        ),
    )
    op.create_index(op.f("ix_begun_deletions_camera_id"), "begun_deletions", ["camera_id"])


def downgrade() -> None:
    """Forget them: what a killed batch left stays as it says it is."""
    op.drop_table("begun_deletions")
