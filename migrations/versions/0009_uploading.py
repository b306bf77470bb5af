"""Limit a recorder's uploads in rate and hours, and ask it for footage that is wanted before all other."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns, the table, and the notification of the recorder that is asked."""
    op.add_column("clients", sa.Column("upload_limit_kbit", sa.Integer(), nullable=True))
    hours = sa.Column("upload_hours", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    op.add_column("clients", hours)
    result = sa.Enum("done", "nothing", "cancelled", name="fetchend", native_enum=False, length=32)
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "fetches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("start_at", moment, nullable=False),
        sa.Column("end_at", moment, nullable=False),
        sa.Column("asked_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("told_at", moment, nullable=True),
        sa.Column("segments_left", sa.Integer(), nullable=True),
        sa.Column("bytes_left", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("result", result, nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_fetches_client_id_clients"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_fetches_camera_id_cameras"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fetches")),
    )
    op.create_index("ix_fetches_open", "fetches", ["client_id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index("ix_fetches_camera_id_asked_at", "fetches", ["camera_id", "asked_at"])
    op.create_index("ix_fetches_asked_at", "fetches", ["asked_at"])
    op.execute(
        "CREATE FUNCTION fetches_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN PERFORM pg_notify('config_changed', coalesce(NEW.client_id, OLD.client_id)::text); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER config_changed AFTER INSERT OR DELETE ON fetches "
        "FOR EACH ROW EXECUTE FUNCTION fetches_config_changed()"
    )
    # Not for its progress: only for what the recorder is told.
    op.execute(
        "CREATE TRIGGER config_changed_by_end AFTER UPDATE OF ended_at ON fetches FOR EACH ROW "
        "WHEN ((OLD.ended_at IS NULL) IS DISTINCT FROM (NEW.ended_at IS NULL)) "
        "EXECUTE FUNCTION fetches_config_changed()"
    )


def downgrade() -> None:
    """Forget limits, hours and what was asked for."""
    op.drop_table("fetches")
    op.execute("DROP FUNCTION fetches_config_changed()")
    op.drop_column("clients", "upload_hours")
    op.drop_column("clients", "upload_limit_kbit")
