"""Events: what happened to the fleet and who changed what, for people to read later."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import Index, PrimaryKeyConstraint, false, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from control_plane.models.base import Base


class Event(Base):
    """One thing that happened to one subject. Partitioned by the month of `occurred_at`; never holds a secret."""

    __tablename__ = "events"
    __table_args__ = (
        PrimaryKeyConstraint("subject_id", "occurred_at", "id"),
        Index("ix_events_occurred_at", "occurred_at"),
        # What happened at one site, for those who see no other.
        Index("ix_events_site_id_occurred_at", "site_id", "occurred_at", postgresql_where="site_id IS NOT NULL"),
        # What lasts is little among all that is changed, and what goes on is a few of those.
        Index("ix_events_lasting", "occurred_at", "id", postgresql_where="is_lasting"),
        Index("ix_events_lasting_kind", "kind", "occurred_at", "id", postgresql_where="is_lasting"),
        Index("ix_events_going_on", "occurred_at", "id", postgresql_where="is_lasting AND ended_at IS NULL"),
        {"postgresql_partition_by": "RANGE (occurred_at)"},
    )

    subject_id: Mapped[uuid.UUID]
    """The site, client, camera, schedule, recording, operator or key it happened to."""
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    id: Mapped[uuid.UUID] = mapped_column(default=uuid7)
    subject_type: Mapped[str]
    kind: Mapped[str]
    """As in `camera.changed` or `camera.down`; what recorders notice in pictures begins with `scene.`."""
    actor: Mapped[str]
    """Who did it: `operator:NAME`, `api_key:NAME`, `client:ID` or `control-plane`."""
    address: Mapped[str | None]
    site_id: Mapped[uuid.UUID | None]
    """Where it happened; None for what belongs to no site. A trigger finds it where it isn't given."""
    is_lasting: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether it has a begin and an end, as an outage has; a change that somebody made has not."""
    ended_at: Mapped[datetime | None]
    """None while it lasts."""
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
