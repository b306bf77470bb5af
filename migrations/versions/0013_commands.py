"""Commands: what operators ask of recorders, told at once through their configuration."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KINDS = ("start_recording", "stop_recording", "test_camera", "snapshot", "rotate_token", "restart")
_STATES = ("asked", "accepted", "done", "failed", "expired")


def upgrade() -> None:
    """Add the table, and the notification of the recorder that is asked and of whoever waits for its answer."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "commands",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("camera_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Enum(*_KINDS, name="commandkind", native_enum=False, length=32), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("asked_at", moment, server_default=sa.text("now()"), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("accepted_at", moment, nullable=True),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("ended_as", sa.Enum(*_STATES, name="commandstate", native_enum=False, length=32), nullable=True),
        sa.Column("detail", sa.Text(), server_default="", nullable=False),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("token_id", sa.Uuid(), nullable=True),
        sa.Column("secret_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("image_encrypted", sa.LargeBinary(), nullable=True),
        sa.Column("image_expires_at", moment, nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_commands_client_id_clients"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_commands_camera_id_cameras"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["token_id"], ["client_tokens.id"], name=op.f("fk_commands_token_id_client_tokens"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_index("ix_commands_open", "commands", ["client_id"], postgresql_where=sa.text("ended_at IS NULL"))
    op.create_index(
        "ix_commands_images", "commands", ["image_expires_at"], postgresql_where=sa.text("image_expires_at IS NOT NULL")
    )
    op.create_index("ix_commands_asked_at", "commands", ["asked_at"])
    op.create_index("ix_commands_client_id_asked_at", "commands", ["client_id", "asked_at"])
    op.create_index("ix_commands_camera_id_asked_at", "commands", ["camera_id", "asked_at"])
    op.create_index("ix_commands_token_id", "commands", ["token_id"], postgresql_where=sa.text("token_id IS NOT NULL"))
    op.execute(
        "CREATE FUNCTION commands_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN PERFORM pg_notify('config_changed', coalesce(NEW.client_id, OLD.client_id)::text); RETURN NULL; END $$"
    )
    op.execute(
        "CREATE TRIGGER config_changed AFTER INSERT ON commands FOR EACH ROW EXECUTE FUNCTION commands_config_changed()"
    )
    # That a picture is forgotten concerns nobody.
    op.execute(
        "CREATE TRIGGER config_changed_by_answer AFTER UPDATE OF accepted_at, ended_at ON commands FOR EACH ROW "
        "WHEN (OLD.accepted_at IS DISTINCT FROM NEW.accepted_at OR OLD.ended_at IS DISTINCT FROM NEW.ended_at) "
        "EXECUTE FUNCTION commands_config_changed()"
    )


def downgrade() -> None:
    """Forget the commands."""
    op.drop_table("commands")
    op.execute("DROP FUNCTION commands_config_changed()")
