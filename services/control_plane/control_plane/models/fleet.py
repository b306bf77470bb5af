"""Sites, recorders ("local recording clients"), cameras and schedules: what operators keep."""

import uuid
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from camfleet_contract.cameras import CameraType, RecordedStream, RecordingMode, RecordQuality, RtspTransport
from camfleet_contract.schedules import ScheduleType
from control_plane.models.base import Base, CreatedAt, Id, UpdatedAt, text_enum


class Site(Base):
    """A place with a time zone."""

    __tablename__ = "sites"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    timezone: Mapped[str] = mapped_column(default="UTC", server_default="UTC")
    """IANA name."""
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    clients: Mapped[list["Client"]] = relationship(back_populates="site", lazy="raise", viewonly=True)
    cameras: Mapped[list["Camera"]] = relationship(back_populates="site", lazy="raise", viewonly=True)

    def __str__(self) -> str:
        return self.name


class ClientCamera(Base):
    """Which cameras a recorder records."""

    __tablename__ = "client_cameras"
    __table_args__ = (Index("ix_client_cameras_camera_id", "camera_id"),)

    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True)
    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), primary_key=True)


class Client(Base):
    """A recorder at a site; the console and the API call it a local recording client."""

    __tablename__ = "clients"

    id: Mapped[Id]
    site_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sites.id", ondelete="RESTRICT"), index=True)
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    """An inactive client's tokens are refused."""
    upload_limit_kbit: Mapped[int | None]
    """What its uploads may take of the uplink together, in 1,000 bits per second; None: all."""
    upload_hours: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    """When it may upload, in wall-clock time of its site, each as in `22:00-06:00`; none: always."""
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    site: Mapped[Site] = relationship(back_populates="clients", lazy="raise")
    cameras: Mapped[list["Camera"]] = relationship(
        secondary="client_cameras", back_populates="clients", lazy="raise", passive_deletes=True
    )
    contact: Mapped["ClientContact | None"] = relationship(lazy="raise", viewonly=True, uselist=False)

    def __str__(self) -> str:
        return self.name


class ClientContact(Base):
    """When a recorder last called and what it said. Apart from `clients`, since it is rewritten at every heartbeat."""

    __tablename__ = "client_contacts"
    # Room on each page for the new version of a row, so that heartbeats stay HOT updates.
    __table_args__ = {"postgresql_with": {"fillfactor": 50}}

    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), primary_key=True)
    last_contact_at: Mapped[datetime]
    """Of any authenticated call."""
    last_heartbeat_at: Mapped[datetime | None]
    address: Mapped[str | None]
    active_recordings: Mapped[int | None]
    heartbeat: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """The last heartbeat as sent, without what the contract does not know."""


class Camera(Base):
    """A camera of a site. Its password and URLs are encrypted: no list, export or log can show them."""

    __tablename__ = "cameras"

    id: Mapped[Id]
    site_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("sites.id", ondelete="RESTRICT"), index=True)
    name: Mapped[str]
    camera_type: Mapped[CameraType] = mapped_column(text_enum(CameraType), default=CameraType.RTSP)
    ip_address: Mapped[str] = mapped_column(default="", server_default="")
    port: Mapped[int] = mapped_column(default=554, server_default="554")
    username: Mapped[str] = mapped_column(default="", server_default="")
    password_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    rtsp_path: Mapped[str] = mapped_column(default="/", server_default="/")
    rtsp_url_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """Given as a whole, it wins over the parts."""
    rtsp_url_sub_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    rtsp_transport: Mapped[RtspTransport | None] = mapped_column(text_enum(RtspTransport))
    """None leaves it to the recorder's own setting."""
    recorded_stream: Mapped[RecordedStream] = mapped_column(
        text_enum(RecordedStream), default=RecordedStream.MAIN, server_default="main"
    )
    location: Mapped[str | None]
    record_quality: Mapped[RecordQuality] = mapped_column(text_enum(RecordQuality), default=RecordQuality.MEDIUM)
    retention_days: Mapped[int | None]
    """After that many days what is stored of it is deleted; None leaves it to the setting RETENTION_DAYS."""
    recording_mode: Mapped[RecordingMode] = mapped_column(text_enum(RecordingMode), default=RecordingMode.LOCAL_CLIENT)
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    site: Mapped[Site] = relationship(back_populates="cameras", lazy="raise")
    clients: Mapped[list[Client]] = relationship(
        secondary="client_cameras", back_populates="cameras", lazy="raise", passive_deletes=True
    )

    def __str__(self) -> str:
        return self.name


class Schedule(Base):
    """When to record one camera, in wall-clock time of the camera's site."""

    __tablename__ = "schedules"

    id: Mapped[Id]
    camera_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    schedule_type: Mapped[ScheduleType] = mapped_column(text_enum(ScheduleType))
    start_time: Mapped[time]
    end_time: Mapped[time]
    start_date: Mapped[date | None]
    end_date: Mapped[date | None]
    days_of_week: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default="{}")
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    segment_seconds: Mapped[int] = mapped_column(default=60, server_default="60")
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    camera: Mapped[Camera] = relationship(lazy="raise")

    def __str__(self) -> str:
        return self.name
