"""Footage and events; segments and events are partitioned by month."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "events",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("subject_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "occurred_at", "id", name="pk_events"),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index("ix_events_occurred_at", "events", ["occurred_at"])
    op.create_table(
        "gaps",
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("recording_id", sa.Uuid(), nullable=True),
        sa.Column(
            "cause",
            sa.Enum(
                "camera_unreachable",
                "camera_refused",
                "stream_stalled",
                "disk_full",
                "disk_missing",
                "recorder_down",
                "power_lost",
                "clock_step",
                "retention",
                "unsupported_stream",
                name="gapcause",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["camera_id"], ["cameras.id"], name="fk_gaps_camera_id_cameras", ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("camera_id", "started_at", "id", name="pk_gaps"),
    )
    op.create_table(
        "segments",
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("recording_id", sa.Uuid(), nullable=False),
        sa.Column(
            "state", sa.Enum("offered", "stored", name="segmentstate", native_enum=False, length=32), nullable=False
        ),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("crc32c", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("previous_sha256", sa.Text(), nullable=True),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.Column("packets", sa.BigInteger(), nullable=False),
        sa.Column("clock_error_seconds", sa.Double(), nullable=True),
        sa.Column("object_name", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=True),
        sa.Column("offered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_segments_camera_id_cameras", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("camera_id", "started_at", "id", name="pk_segments"),
        postgresql_partition_by="RANGE (started_at)",
    )
    op.create_index("ix_segments_recording_id_started_at", "segments", ["recording_id", "started_at"])
    op.create_table(
        "upload_sessions",
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("uri_encrypted", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name="fk_upload_sessions_client_id_clients", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", "segment_id", name="pk_upload_sessions"),
    )
    op.create_index("ix_upload_sessions_expires_at", "upload_sessions", ["expires_at"])
    op.create_table(
        "recordings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("schedule_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "scheduled",
                "recording",
                "completed",
                "failed",
                "stopped",
                name="recordingstatus",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("progress", sa.Double(), server_default="0", nullable=False),
        sa.Column("frames_recorded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("file_size", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("gcp_path", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name="fk_recordings_camera_id_cameras", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name="fk_recordings_client_id_clients", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedules.id"], name="fk_recordings_schedule_id_schedules", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("client_id", "id", name="pk_recordings"),
    )
    op.create_index("ix_recordings_camera_id_started_at", "recordings", ["camera_id", "started_at"])
    op.create_index("ix_recordings_client_id_started_at", "recordings", ["client_id", "started_at"])
    op.create_index("ix_recordings_id", "recordings", ["id"])
    op.create_index(
        "ix_recordings_open",
        "recordings",
        ["client_id", "camera_id"],
        postgresql_where=sa.text("status IN ('scheduled', 'recording')"),
    )
    op.create_index("ix_recordings_schedule_id", "recordings", ["schedule_id"])
    op.create_index("ix_recordings_started_at", "recordings", ["started_at"])
    op.create_index("ix_recordings_status_started_at", "recordings", ["status", "started_at"])
    for table in ("segments", "events"):
        # For clocks that are far off: a row that fits no month must not be refused.
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
        for month in _months_around(datetime.now(UTC).date()):
            op.execute(_partition(table, month))


def downgrade() -> None:
    op.drop_table("recordings")
    op.drop_table("upload_sessions")
    op.drop_table("segments")
    op.drop_table("gaps")
    op.drop_table("events")


def _months_around(today: date) -> list[date]:
    """Three months back, for the backlog of recorders that were long without network, and three ahead."""
    this = today.year * 12 + today.month - 1
    return [date(month // 12, month % 12 + 1, 1) for month in range(this - 3, this + 4)]


def _partition(table: str, month: date) -> str:
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return (
        f"CREATE TABLE {table}_p{month:%Y%m} PARTITION OF {table} "
        f"FOR VALUES FROM ('{month} 00:00:00+00') TO ('{following} 00:00:00+00')"
    )
