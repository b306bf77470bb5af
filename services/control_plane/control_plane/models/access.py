"""Who may call: operators, their scripts' keys, and the recorders' tokens. Of secrets, only hashes are kept."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, LargeBinary, Text, Uuid, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.models.base import Base, CreatedAt, Id, UpdatedAt, text_enum
from control_plane.models.fleet import Client


class Role(StrEnum):
    """What an operator may do; each role may do all that the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether whoever has this role may do what `other` may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


class Operator(Base):
    """A person who uses the console."""

    __tablename__ = "operators"

    id: Mapped[Id]
    username: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    """argon2id."""
    role: Mapped[Role] = mapped_column(text_enum(Role), default=Role.OPERATOR)
    site_ids: Mapped[list[uuid.UUID] | None] = mapped_column(ARRAY(Uuid))
    """The only sites that exist for this operator; None: all. A site that was deleted stays here and means nothing."""
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    session_epoch: Mapped[int] = mapped_column(default=0, server_default="0")
    """Raised to end every session of this operator."""
    last_login_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]

    def __str__(self) -> str:
        return self.username


class ApiKey(Base):
    """A key for scripts."""

    __tablename__ = "api_keys"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    prefix: Mapped[str]
    """The first characters of the key, to tell keys apart by eye."""
    key_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    role: Mapped[Role] = mapped_column(text_enum(Role))
    site_ids: Mapped[list[uuid.UUID] | None] = mapped_column(ARRAY(Uuid))
    """The only sites that exist for whoever has the key; None: all."""
    scopes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    """What it may be used for, as in `cameras:read`; None: all that its role may."""
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    def __str__(self) -> str:
        return self.name


class ClientToken(Base):
    """A recorder's token. Several may be live during a rotation."""

    __tablename__ = "client_tokens"

    id: Mapped[Id]
    client_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), index=True)
    prefix: Mapped[str]
    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]

    client: Mapped[Client] = relationship(lazy="raise")
