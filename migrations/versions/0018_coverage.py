"""Remember what schedules, cameras and sites said, and count with sets of time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Of each table: the column that names its owner, and what is remembered.
_REMEMBERED: dict[str, tuple[str, tuple[str, ...]]] = {
    "sites": ("NULL::uuid", ("timezone",)),
    "cameras": ("{row}.site_id", ("is_active", "recording_mode")),
    "schedules": (
        "{row}.camera_id",
        ("schedule_type", "start_time", "end_time", "start_date", "end_date", "days_of_week", "is_active"),
    ),
}

# Holes up to `smallest` are filled: each stretch is made longer by it, so that those close by grow together, and then
# as much shorter.
_CLOSED = """
CREATE FUNCTION coverage_closed(spans tstzmultirange, smallest interval) RETURNS tstzmultirange
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(range_agg(tstzrange(lower(span), upper(span) - smallest)), '{}')
    FROM (
        SELECT unnest(range_agg(tstzrange(lower(span), upper(span) + smallest))) AS span FROM unnest(spans) AS span
    ) AS grown
$$
"""
_SECONDS = """
CREATE FUNCTION coverage_seconds(spans tstzmultirange) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(sum(extract(epoch FROM upper(span) - lower(span))), 0) FROM unnest(spans) AS span
$$
"""

# The clock is read when it happens, not when the transaction began: two that change the same follow each other. Should
# it have been set back meanwhile, the older one lasted no time at all.
_REMEMBER = """
CREATE FUNCTION {table}_remembered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := clock_timestamp();
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE versions SET until = greatest(since, moment) WHERE subject_id = OLD.id AND until IS NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        SELECT greatest(moment, max(until)) INTO moment FROM versions WHERE subject_id = NEW.id;
        INSERT INTO versions (subject_id, since, owner_id, said) VALUES (NEW.id, moment, {owner}, {said})
        ON CONFLICT (subject_id, since) DO UPDATE
        SET until = NULL, owner_id = excluded.owner_id, said = excluded.said;
    END IF;
    RETURN NULL;
END $$
"""


def upgrade() -> None:
    """Add the table, its triggers and functions; what is there now counts since it was made."""
    op.create_table(
        "versions",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("said", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "since", name="pk_versions"),
    )
    op.create_index("ix_versions_owner_id", "versions", ["owner_id"])
    op.execute(_CLOSED)
    op.execute(_SECONDS)
    for table, (owner, columns) in _REMEMBERED.items():
        op.execute(
            "INSERT INTO versions (subject_id, since, owner_id, said) "  # noqa: S608 - our own names
            f"SELECT id, created_at, {owner.format(row=table)}, {_said(table, columns)} FROM {table}"
        )
        op.execute(_REMEMBER.format(table=table, owner=owner.format(row="NEW"), said=_said("NEW", columns)))
        op.execute(
            f"CREATE TRIGGER remembered AFTER INSERT OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_remembered()"
        )
        changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in _columns(owner, columns))
        op.execute(
            f"CREATE TRIGGER remembered_by_update AFTER UPDATE ON {table} "
            f"FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION {table}_remembered()"
        )


def downgrade() -> None:
    """Forget it all."""
    for table in _REMEMBERED:
        op.execute(f"DROP TRIGGER remembered_by_update ON {table}")
        op.execute(f"DROP TRIGGER remembered ON {table}")
        op.execute(f"DROP FUNCTION {table}_remembered()")
    op.execute("DROP FUNCTION coverage_seconds(tstzmultirange)")
    op.execute("DROP FUNCTION coverage_closed(tstzmultirange, interval)")
    op.drop_table("versions")


def _said(row: str, columns: tuple[str, ...]) -> str:
    return "jsonb_build_object(" + ", ".join(f"'{column}', {row}.{column}" for column in columns) + ")"


def _columns(owner: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    return columns if owner.startswith("NULL") else (owner.removeprefix("{row}."), *columns)
