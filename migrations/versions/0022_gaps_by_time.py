"""Gaps of all cameras are listed by time."""

from collections.abc import Sequence

from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_gaps_started_at", "gaps", ["started_at", "id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index("ix_gaps_started_at", "gaps")
