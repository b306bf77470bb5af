"""Commands: what an operator asks of a recorder, and what came of it."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from camfleet_contract.commands import CommandKind, CommandState
from control_plane.models.base import Base, CreatedAt, Id, text_enum
from control_plane.models.fleet import Camera, Client


class Command(Base):
    """One thing asked of one recorder. Its state follows from three instants: see `commands/states.py`."""

    __tablename__ = "commands"
    __table_args__ = (
        # A handful of rows among all that ever were.
        Index("ix_commands_open", "client_id", postgresql_where="ended_at IS NULL"),
        Index("ix_commands_images", "image_expires_at", postgresql_where="image_expires_at IS NOT NULL"),
        Index("ix_commands_asked_at", "asked_at"),
        Index("ix_commands_client_id_asked_at", "client_id", "asked_at"),
        Index("ix_commands_camera_id_asked_at", "camera_id", "asked_at"),
        # Whoever deletes a token looks for what brought it.
        Index("ix_commands_token_id", "token_id", postgresql_where="token_id IS NOT NULL"),
    )

    id: Mapped[Id]
    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"))
    camera_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("cameras.id", ondelete="CASCADE"))
    kind: Mapped[CommandKind] = mapped_column(text_enum(CommandKind))
    minutes: Mapped[int | None]
    asked_at: Mapped[CreatedAt]
    asked_by: Mapped[str]
    """As in `operator:NAME`."""
    expires_at: Mapped[datetime]
    """When it is too late for the recorder to accept it."""
    accepted_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[CommandState | None] = mapped_column(text_enum(CommandState))
    detail: Mapped[str] = mapped_column(default="", server_default="")
    """What the recorder said of it, for a person."""
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """The contract's `Outcome`, without the picture."""
    token_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("client_tokens.id", ondelete="SET NULL"))
    """The token that it brings."""
    secret_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    """That token on its way; gone once the command is over."""
    image_encrypted: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    image_expires_at: Mapped[datetime | None]
    """When the picture is deleted; None where there is none, or none any more."""

    client: Mapped[Client] = relationship(lazy="raise")
    camera: Mapped[Camera | None] = relationship(lazy="raise")

    def __str__(self) -> str:
        return f"{self.kind} of {self.asked_at:%Y-%m-%d %H:%M} UTC"
