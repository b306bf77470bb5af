"""Restore drills: how much of what is stored could be had back, as seen by trying it on samples."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.models.base import Base, BigInt, Id
from control_plane.models.fleet import Camera


class Drill(Base):
    """One drill that was done to its end."""

    __tablename__ = "drills"
    __table_args__ = (Index("ix_drills_ended_at", "ended_at"),)

    id: Mapped[Id]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    actor: Mapped[str]
    """`control-plane`: by itself, or by whoever ran the command."""
    camera_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), index=True)
    """The only camera it was about; None: all."""
    since: Mapped[datetime | None]
    """Only what was recorded from then on; None: all."""
    asked: Mapped[int]
    """Samples that were wanted; there may have been fewer segments."""
    sampled: Mapped[int]
    restorable: Mapped[int]
    size_bytes: Mapped[BigInt]
    """Of all samples, as they were recorded."""
    is_demuxed: Mapped[bool]
    """False where PyAV was not installed: then only size and checksums were compared."""
    failures: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)

    camera: Mapped[Camera | None] = relationship(lazy="raise")

    def __str__(self) -> str:
        return f"Drill of {self.ended_at:%Y-%m-%d %H:%M} UTC"
