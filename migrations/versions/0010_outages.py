"""Find the outages that go on, without reading all events."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_events_outages",
        "events",
        ["subject_id"],
        postgresql_where=sa.text("kind = 'client.offline' AND NOT (detail ? 'end')"),
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_events_outages", "events")
