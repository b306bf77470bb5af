"""What schedules, cameras and sites said earlier: what was due last month does not follow from today's schedules."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.models.base import Base


class Version(Base):
    """What one of them said, from when to when; written by triggers, so that no change can be forgotten."""

    __tablename__ = "versions"
    __table_args__ = (
        PrimaryKeyConstraint("subject_id", "since"),
        Index("ix_versions_owner_id", "owner_id"),
    )

    subject_id: Mapped[uuid.UUID]
    """The schedule, camera or site."""
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    """None: it still says so."""
    owner_id: Mapped[uuid.UUID | None]
    """A schedule's camera, a camera's site."""
    said: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """The columns that what is due follows from, and no other: never a secret."""
