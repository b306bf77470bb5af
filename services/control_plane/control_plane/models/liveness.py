"""What is known between two looks at the fleet: open troubles, measured backlogs, windows, replicas that listen."""

import uuid
from datetime import datetime

from sqlalchemy import ForeignKey, PrimaryKeyConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from control_plane.models.base import Base, BigInt


class OpenTrouble(Base):
    """Something that is wrong with a recorder or a camera, or was a moment ago. At most one of a kind each."""

    __tablename__ = "troubles"
    __table_args__ = (PrimaryKeyConstraint("subject_id", "kind"),)

    subject_id: Mapped[uuid.UUID]
    kind: Mapped[str]
    began_at: Mapped[datetime]
    clear_since: Mapped[datetime | None]
    """Since when it was not seen; None while it is."""
    event_id: Mapped[uuid.UUID | None]
    """Its event, which occurred at `began_at`; None while it has not lasted long enough to be told."""


class BacklogMark(Base):
    """The last measurement of a recorder's old backlog."""

    __tablename__ = "backlog_marks"

    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True)
    marked_at: Mapped[datetime]
    bytes: Mapped[BigInt]
    growing_since: Mapped[datetime | None]
    is_judged: Mapped[bool] = mapped_column(default=False, server_default=false())


class DueWindow(Base):
    """The window of a schedule that is open, or opens next."""

    __tablename__ = "due_windows"

    schedule_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True)
    opens_at: Mapped[datetime | None]
    """None: none opens until `closes_at`."""
    closes_at: Mapped[datetime]
    """When the next one is to be found."""
    read_at: Mapped[datetime]
    """The schedule's `updated_at`, as it was found by."""
    timezone: Mapped[str]


class Listener(Base):
    """A replica that answers recorders, or did a while ago."""

    __tablename__ = "listeners"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
