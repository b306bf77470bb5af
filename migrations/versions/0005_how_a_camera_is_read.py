"""Choose for each camera how its stream is carried and which of its streams is recorded."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add the columns; every camera stays as it was."""
    transport = sa.Enum("tcp", "udp", name="rtsptransport", native_enum=False, length=32)
    op.add_column("cameras", sa.Column("rtsp_transport", transport, nullable=True))
    stream = sa.Enum("main", "sub", name="recordedstream", native_enum=False, length=32)
    op.add_column("cameras", sa.Column("recorded_stream", stream, server_default="main", nullable=False))


def downgrade() -> None:
    """Drop the columns."""
    op.drop_column("cameras", "recorded_stream")
    op.drop_column("cameras", "rtsp_transport")
