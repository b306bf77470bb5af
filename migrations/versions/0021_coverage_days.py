"""Keep the coverage of days that are over, and note what is told of them later."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0021"
down_revision: str | None = "0020"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_FIGURES = ("due", "stored", "local_only", "deleted", "unaccounted", "beyond_due")

# What is told of the last hour is no news: no day is kept before it has been over for twice as long. So footage that is
# told of in time, which is nearly all, costs one comparison.
_NOTE = """
CREATE FUNCTION coverage_news_noted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO coverage_news (camera_id, since, until)
    SELECT camera_id, min(started_at), max(ended_at) FROM told
    WHERE started_at < clock_timestamp() - interval '1 hour' GROUP BY camera_id;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Add the tables and the triggers."""
    op.create_table(
        "coverage_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("begins", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Double(), nullable=False) for name in _FIGURES),
        sa.Column("lost", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("day", "camera_id", name="pk_coverage_days"),
    )
    op.create_table(
        "coverage_news",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_coverage_news"),
    )
    op.create_index("ix_coverage_news_camera_id", "coverage_news", ["camera_id"])
    op.execute(_NOTE)
    for table in ("segments", "gaps"):
        for event in ("INSERT", "UPDATE"):
            op.execute(
                f"CREATE TRIGGER coverage_news_by_{event.lower()} AFTER {event} ON {table} "
                "REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION coverage_news_noted()"
            )


def downgrade() -> None:
    """Drop them."""
    for table in ("segments", "gaps"):
        for event in ("insert", "update"):
            op.execute(f"DROP TRIGGER coverage_news_by_{event} ON {table}")
    op.execute("DROP FUNCTION coverage_news_noted()")
    op.drop_table("coverage_news")
    op.drop_table("coverage_days")
