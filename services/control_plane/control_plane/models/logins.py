"""Operators who logged in over the API, and the tokens that they hold. Of tokens, only hashes are kept."""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column, relationship

from control_plane.models.access import Operator
from control_plane.models.base import Base, CreatedAt, Id, text_enum


class LoginEnd(StrEnum):
    """Why a login is over before its time."""

    LOGOUT = "logout"
    REUSE = "reuse"
    """A refresh token was used a second time: one of the two who have it is a thief."""


class Login(Base):
    """One operator at one machine, from a password to a logout: the family of all tokens that came of it."""

    __tablename__ = "logins"
    __table_args__ = (Index("ix_logins_expires_at", "expires_at"),)

    id: Mapped[Id]
    operator_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("operators.id", ondelete="CASCADE"), index=True)
    session_epoch: Mapped[int]
    """The operator's when it began: a raised one ends the login, as it ends the console's sessions."""
    began_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    """However often it is refreshed, the password is needed again from then on."""
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[LoginEnd | None] = mapped_column(text_enum(LoginEnd))

    operator: Mapped[Operator] = relationship(lazy="raise")


class LoginTokenKind(StrEnum):
    """What a token is for."""

    ACCESS = "access"
    """Goes with every call."""
    REFRESH = "refresh"
    """Is exchanged for new ones, once."""


class LoginToken(Base):
    """One token of a login."""

    __tablename__ = "login_tokens"

    token_sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    login_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("logins.id", ondelete="CASCADE"), index=True)
    kind: Mapped[LoginTokenKind] = mapped_column(text_enum(LoginTokenKind))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    """When a refresh token was exchanged."""

    login: Mapped[Login] = relationship(lazy="raise")
