"""What coverage follows from besides footage: what schedules and cameras said earlier, and days once reckoned."""

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Identity, Index, PrimaryKeyConstraint
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


class CoverageDay(Base):
    """A day of a camera that is over, as it was reckoned, in seconds. True while there is no news of it."""

    __tablename__ = "coverage_days"
    # The day first: what is asked of many cameras lies together, and what is written comes at the end.
    __table_args__ = (PrimaryKeyConstraint("day", "camera_id"),)

    day: Mapped[date]
    camera_id: Mapped[uuid.UUID]
    begins: Mapped[datetime]
    """When the day began at the site; one that was reckoned in another time zone is another day."""
    ends: Mapped[datetime]
    due: Mapped[float]
    stored: Mapped[float]
    local_only: Mapped[float]
    deleted: Mapped[float]
    unaccounted: Mapped[float]
    beyond_due: Mapped[float]
    lost: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """By cause."""


class CoverageNews(Base):
    """Something was told of a camera that touches days which may have been reckoned; written by triggers."""

    __tablename__ = "coverage_news"
    __table_args__ = (Index("ix_coverage_news_camera_id", "camera_id"),)

    # No key of camera and time: whoever writes a row must never wait for whoever forgets one.
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    camera_id: Mapped[uuid.UUID]
    since: Mapped[datetime]
    until: Mapped[datetime]
