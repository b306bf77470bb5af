"""Find the gaps that were reported last, for the console's overview, without reading all of them."""

from collections.abc import Sequence

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_gaps_reported_at", "gaps", ["reported_at"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_gaps_reported_at", "gaps")
