"""Chains: where a segment is in its recorder's chain, and how far each chain had come on each day."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns and the table; segments that are known already are in no chain."""
    op.add_column("segments", sa.Column("chain_id", sa.Uuid(), nullable=True))
    op.add_column("segments", sa.Column("sequence", sa.BigInteger(), nullable=True))
    op.add_column("segments", sa.Column("link_sha256", sa.Text(), nullable=True))
    op.create_index(
        "ix_segments_chain",
        "segments",
        ["camera_id", "chain_id", "sequence"],
        postgresql_where=sa.text("chain_id IS NOT NULL"),
    )
    op.create_table(
        "chain_heads",
        sa.Column("camera_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("chain_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("link_sha256", sa.Text(), nullable=False),
        sa.Column("waiting_from", sa.BigInteger(), nullable=False),
        sa.Column("given_up", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("camera_id", "client_id", "chain_id", "day", name=op.f("pk_chain_heads")),
        sa.ForeignKeyConstraint(
            ["camera_id"], ["cameras.id"], name=op.f("fk_chain_heads_camera_id_cameras"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.id"], name=op.f("fk_chain_heads_client_id_clients"), ondelete="CASCADE"
        ),
        postgresql_with={"fillfactor": 50},
    )


def downgrade() -> None:
    """Forget the chains; recorders go on counting theirs."""
    op.drop_table("chain_heads")
    op.drop_index("ix_segments_chain", "segments")
    op.drop_column("segments", "link_sha256")
    op.drop_column("segments", "sequence")
    op.drop_column("segments", "chain_id")
