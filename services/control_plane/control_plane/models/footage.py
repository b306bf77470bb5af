"""Recordings, their segments, and the gaps between them.

The keys of the big tables begin with the column that they would be distributed by in a cluster: the recorder for
recordings, whose reports name no camera, and the camera for segments and gaps, which are read camera by camera.
"""

import uuid
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary, PrimaryKeyConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from control_plane.models.base import Base, BigInt, CreatedAt, UpdatedAt, text_enum
from control_plane.models.fleet import Camera, Client, Schedule


class Recording(Base):
    """One camera recorded through one window, or one manual run."""

    __tablename__ = "recordings"
    __table_args__ = (
        PrimaryKeyConstraint("client_id", "id"),
        Index("ix_recordings_id", "id"),
        Index("ix_recordings_camera_id_started_at", "camera_id", "started_at"),
        Index("ix_recordings_client_id_started_at", "client_id", "started_at"),
        Index("ix_recordings_started_at", "started_at"),
        # The failed ones of a year are few among many: without it, a list of them reads all.
        Index("ix_recordings_status_started_at", "status", "started_at"),
        # What is open now: a handful of rows among millions.
        Index(
            "ix_recordings_open",
            "client_id",
            "camera_id",
            postgresql_where="status IN ('scheduled', 'recording')",
        ),
        Index("ix_recordings_held", "client_id", postgresql_where="held_at IS NOT NULL"),
        Index("ix_recordings_holds_unsettled", "holds_unsettled_at", postgresql_where="holds_unsettled_at IS NOT NULL"),
    )

    id: Mapped[uuid.UUID] = mapped_column()
    # The id alone identifies a recording for whoever reads one; registering refuses another client's id.
    __mapper_args__ = {"primary_key": [id]}  # noqa: A003 - the column above, not the builtin

    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="RESTRICT"))
    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="RESTRICT"))
    schedule_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("schedules.id", ondelete="SET NULL"), index=True)
    name: Mapped[str]
    status: Mapped[RecordingStatus] = mapped_column(text_enum(RecordingStatus), default=RecordingStatus.SCHEDULED)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    progress: Mapped[float] = mapped_column(default=0.0, server_default="0")
    frames_recorded: Mapped[BigInt] = mapped_column(default=0, server_default="0")
    file_size: Mapped[BigInt] = mapped_column(default=0, server_default="0")
    gcp_path: Mapped[str | None]
    """Of a predecessor client's single file; ours has segments."""
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    held_at: Mapped[datetime | None]
    """Since when no rule of retention may delete its files, be it at the site or in the store."""
    holds_unsettled_at: Mapped[datetime | None]
    """When something last happened, by the database's clock, that the store's own holds may not follow yet."""
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    client: Mapped[Client] = relationship(lazy="raise")
    camera: Mapped[Camera] = relationship(lazy="raise")
    schedule: Mapped[Schedule | None] = relationship(lazy="raise")


class SegmentState(StrEnum):
    """How far a segment has come, as the control plane knows."""

    OFFERED = "offered"
    """The recorder has it on disk."""
    STORED = "stored"
    """Its object was seen in the store, with its checksum."""
    DELETED = "deleted"
    """Its object was stored, and has been deleted since: `deletion_reason` says why."""


class StoreHold(StrEnum):
    """Whether the store itself was told to keep an object."""

    ASKED = "asked"
    """It is being asked, or was when somebody was interrupted: it may keep it, or not."""
    HELD = "held"


class Segment(Base):
    """One MP4 file of a recording. Partitioned by the month of `started_at`."""

    __tablename__ = "segments"
    __table_args__ = (
        PrimaryKeyConstraint("camera_id", "started_at", "id"),
        Index("ix_segments_recording_id_started_at", "recording_id", "started_at"),
        Index("ix_segments_chain", "camera_id", "chain_id", "sequence", postgresql_where="chain_id IS NOT NULL"),
        # What can be deleted: neither the rows of what was deleted years ago must be read again each time, nor those of
        # what an earlier store keeps.
        Index("ix_segments_stored", "camera_id", "store_url", "started_at", postgresql_where="state = 'stored'"),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )

    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="RESTRICT"))
    started_at: Mapped[datetime]
    id: Mapped[uuid.UUID]
    ended_at: Mapped[datetime]
    client_id: Mapped[uuid.UUID]
    recording_id: Mapped[uuid.UUID]
    state: Mapped[SegmentState] = mapped_column(text_enum(SegmentState))
    size_bytes: Mapped[BigInt]
    crc32c: Mapped[str]
    sha256: Mapped[str]
    previous_sha256: Mapped[str | None]
    codec: Mapped[str]
    packets: Mapped[BigInt]
    clock_error_seconds: Mapped[float | None]
    object_name: Mapped[str]
    store_url: Mapped[str] = mapped_column(default="", server_default="")
    """Which store has the object, as in `gs://bucket`; empty where nobody noted it: then that of today."""
    generation: Mapped[BigInt | None]
    store_hold: Mapped[StoreHold | None] = mapped_column(text_enum(StoreHold))
    offered_at: Mapped[CreatedAt]
    stored_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    deletion_reason: Mapped[str | None]
    chain_id: Mapped[uuid.UUID | None]
    """Which of the camera's chains it is part of; None from recorders that don't count theirs."""
    sequence: Mapped[BigInt | None]
    link_sha256: Mapped[str | None]

    def is_in(self, store_url: str) -> bool:
        """Whether its object is to be looked for in this store."""
        return self.store_url in {"", store_url}


class ChainHead(Base):
    """How far a recorder said that a camera's chain had come: the last word of each day, so that history is bounded."""

    __tablename__ = "chain_heads"
    __table_args__ = (
        PrimaryKeyConstraint("camera_id", "client_id", "chain_id", "day"),
        # Rewritten at every heartbeat of its day: room on each page keeps that a HOT update.
        {"postgresql_with": {"fillfactor": 50}},
    )

    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"))
    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    chain_id: Mapped[uuid.UUID]
    day: Mapped[date]
    """UTC, by the control plane's clock."""
    sequence: Mapped[BigInt]
    segment_id: Mapped[uuid.UUID]
    sha256: Mapped[str]
    link_sha256: Mapped[str]
    waiting_from: Mapped[BigInt]
    given_up: Mapped[BigInt]
    seen_at: Mapped[datetime]


class UploadSession(Base):
    """A resumable upload that the control plane opened for one segment of one recorder."""

    __tablename__ = "upload_sessions"
    __table_args__ = (PrimaryKeyConstraint("client_id", "segment_id"),)

    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    segment_id: Mapped[uuid.UUID]
    uri_encrypted: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Gap(Base):
    """Time that a schedule asked for and no segment covers, as the recorder reported it."""

    __tablename__ = "gaps"
    __table_args__ = (
        PrimaryKeyConstraint("camera_id", "started_at", "id"),
        Index("ix_gaps_reported_at", "reported_at"),
        Index("ix_gaps_started_at", "started_at", "id"),
    )

    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="RESTRICT"))
    started_at: Mapped[datetime]
    id: Mapped[uuid.UUID]
    ended_at: Mapped[datetime]
    client_id: Mapped[uuid.UUID]
    schedule_id: Mapped[uuid.UUID | None]
    recording_id: Mapped[uuid.UUID | None]
    cause: Mapped[GapCause] = mapped_column(text_enum(GapCause))
    detail: Mapped[str] = mapped_column(default="", server_default="")
    reported_at: Mapped[CreatedAt]
