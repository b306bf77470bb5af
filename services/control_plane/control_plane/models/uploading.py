"""Intervals of footage that somebody asked for: their recorders upload them before all other."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.models.base import Base, BigInt, CreatedAt, Id, text_enum


class FetchEnd(StrEnum):
    """How an interval that was asked for came to its end."""

    DONE = "done"
    """All that the recorder had of it is stored."""
    NOTHING = "nothing"
    """The recorder has nothing of it, and nothing of it is stored."""
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """The recorder was away for too long."""


class Fetch(Base):
    """One interval of one camera, asked of one recorder."""

    __tablename__ = "fetches"
    __table_args__ = (
        # A handful of rows among all that ever were.
        Index("ix_fetches_open", "client_id", postgresql_where="ended_at IS NULL"),
        Index("ix_fetches_camera_id_asked_at", "camera_id", "asked_at"),
        Index("ix_fetches_asked_at", "asked_at"),
    )

    id: Mapped[Id]
    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"))
    start_at: Mapped[datetime]
    end_at: Mapped[datetime]
    asked_at: Mapped[CreatedAt]
    asked_by: Mapped[str]
    """As in `operator:NAME`."""
    expires_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    """When the recorder first said something of it."""
    segments_left: Mapped[int | None]
    """Not stored yet, as the recorder said last."""
    bytes_left: Mapped[BigInt | None]
    ended_at: Mapped[datetime | None]
    result: Mapped[FetchEnd | None] = mapped_column(text_enum(FetchEnd))
