"""Deletions in the store that were begun and have not come to their end."""

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, ForeignKey, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.models.base import Base, CreatedAt, Id


class BegunDeletion(Base):
    """One batch of one camera's segments: written before the first object goes, taken away with the rows' change."""

    __tablename__ = "begun_deletions"

    id: Mapped[Id]
    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), index=True)
    begun_at: Mapped[CreatedAt]
    reason: Mapped[str]
    earliest: Mapped[datetime]
    """When the first of them began: which partitions they are in."""
    latest: Mapped[datetime]
    segment_ids: Mapped[list[uuid.UUID]] = mapped_column(ARRAY(Uuid))
