"""What is wrong with the fleet: events with an end of their own, and what is known between two looks."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_LASTING = "kind = 'client.offline' OR kind LIKE 'scene.%' OR kind LIKE 'recorder.%'"


def upgrade() -> None:
    """Give the events that last their end as a column; outages that go on stay open."""
    op.create_table(
        "troubles",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("clear_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("subject_id", "kind", name=op.f("pk_troubles")),
    )
    op.create_table(
        "backlog_marks",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("growing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_judged", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_backlog_marks_client_id_clients"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_backlog_marks")),
    )
    op.create_table(
        "due_windows",
        sa.Column("schedule_id", sa.Uuid(), nullable=False),
        sa.Column("opens_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closes_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name=op.f("fk_due_windows_schedule_id_schedules"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("schedule_id", name=op.f("pk_due_windows")),
    )
    op.create_table(
        "listeners",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listeners")),
    )
    op.add_column("events", sa.Column("is_lasting", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("events", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE events SET is_lasting = kind <> 'recorder.footage_at_risk', "  # noqa: S608 - the text above
        f"ended_at = CAST(detail ->> 'end' AS timestamptz) WHERE {_LASTING}"
    )
    op.execute("UPDATE events SET detail = detail - 'end' WHERE kind = 'client.offline'")
    op.execute(
        "INSERT INTO troubles (subject_id, kind, began_at, event_id) "
        "SELECT DISTINCT ON (subject_id) subject_id, kind, occurred_at, id FROM events "
        "WHERE kind = 'client.offline' AND ended_at IS NULL ORDER BY subject_id, occurred_at"
    )
    op.drop_index("ix_events_outages", "events")
    going_on = sa.text("is_lasting AND ended_at IS NULL")
    op.create_index("ix_events_lasting", "events", ["occurred_at", "id"], postgresql_where=sa.text("is_lasting"))
    op.create_index(
        "ix_events_lasting_kind", "events", ["kind", "occurred_at", "id"], postgresql_where=sa.text("is_lasting")
    )
    op.create_index("ix_events_going_on", "events", ["occurred_at", "id"], postgresql_where=going_on)


def downgrade() -> None:
    """Put the ends of outages back to where they were; other kinds become events without one."""
    op.execute(
        "UPDATE events SET detail = detail || jsonb_build_object('end', ended_at) "
        "WHERE is_lasting AND ended_at IS NOT NULL AND kind = 'client.offline'"
    )
    op.drop_index("ix_events_going_on", "events")
    op.drop_index("ix_events_lasting_kind", "events")
    op.drop_index("ix_events_lasting", "events")
    op.create_index(
        "ix_events_outages",
        "events",
        ["subject_id"],
        postgresql_where=sa.text("kind = 'client.offline' AND NOT (detail ? 'end')"),
    )
    op.drop_column("events", "ended_at")
    op.drop_column("events", "is_lasting")
    for table in ("listeners", "due_windows", "backlog_marks", "troubles"):
        op.drop_table(table)
