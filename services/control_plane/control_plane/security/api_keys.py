"""API keys of scripts: made, recognized and revoked."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import Conflict, Invalid, NotFound
from control_plane.events import Actor, record_event
from control_plane.models import ApiKey, Role
from control_plane.security.limits import checked_scopes, checked_sites
from control_plane.security.tokens import NewToken, new_api_key, token_sha256

_LONGEST_NAME = 100
_USE_NOTED_EVERY = timedelta(minutes=5)
"""A key in a busy script must not cost a write for each of its calls."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that was recognized."""

    name: str
    role: Role
    site_ids: frozenset[uuid.UUID] | None = None
    """The only sites that exist for it; None: all."""
    scopes: frozenset[str] | None = None
    """What it may be used for; None: all that its role may."""


async def create_api_key(
    session: AsyncSession,
    name: str,
    role: Role,
    expires_at: datetime | None = None,
    *,
    actor: Actor,
    site_ids: Collection[uuid.UUID] | None = None,
    scopes: Collection[str] | None = None,
) -> NewToken:
    """Make a key, which is known only now. Raises Invalid, or Conflict when the name is taken."""
    _, token = await make_api_key(session, name, role, expires_at, actor=actor, site_ids=site_ids, scopes=scopes)
    return token


async def make_api_key(
    session: AsyncSession,
    name: str,
    role: Role,
    expires_at: datetime | None = None,
    *,
    actor: Actor,
    site_ids: Collection[uuid.UUID] | None = None,
    scopes: Collection[str] | None = None,
) -> tuple[ApiKey, NewToken]:
    """As `create_api_key`, with the row."""
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Invalid("name", f"must be one line of 1 to {_LONGEST_NAME} characters")
    if expires_at is not None and expires_at.tzinfo is None:
        raise Invalid("expires_at", "must have a time zone")
    limits = {"site_ids": await checked_sites(session, site_ids), "scopes": checked_scopes(scopes)}
    token = new_api_key()
    key = ApiKey(name=name, prefix=token.prefix, key_sha256=token.sha256, role=role, expires_at=expires_at, **limits)
    try:
        async with session.begin_nested():
            session.add(key)
    except IntegrityError:
        raise Conflict(f"There is a key named {name!r} already: names tell in the history who did what.") from None
    detail = {"name": name, "role": role, "prefix": token.prefix, "expires_at": expires_at, **limits}
    record_event(session, "api_key", key.id, "api_key.created", actor, detail)
    return key, token


async def find_api_key(session: AsyncSession, key_id: uuid.UUID, *, for_change: bool = False) -> ApiKey:
    """The key; locked until the end of the transaction when it is to be changed. Raises NotFound."""
    key = await session.get(ApiKey, key_id, with_for_update=for_change or None)
    if key is None:
        raise NotFound(f"There is no key {key_id}.")
    return key


async def revoke_api_key(session: AsyncSession, name: str, *, now: datetime, actor: Actor) -> None:
    """Refuse the key of that name from now on; nothing happens when it is revoked already. Raises NotFound."""
    key = (await session.scalars(select(ApiKey).where(ApiKey.name == name).with_for_update())).one_or_none()
    if key is None:
        raise NotFound(f"There is no key named {name!r}.")
    revoke(session, key, now=now, actor=actor)


def revoke(session: AsyncSession, key: ApiKey, *, now: datetime, actor: Actor) -> None:
    """Refuse the key, which must be locked, from now on; nothing happens when it is revoked already."""
    if key.revoked_at is None:
        key.revoked_at = now
        record_event(session, "api_key", key.id, "api_key.revoked", actor, {"name": key.name})


async def recognize_api_key(session: AsyncSession, text: str, *, now: datetime) -> KnownKey | None:
    """Whose key that is; None for one that is unknown, expired or revoked."""
    key = (await session.scalars(select(ApiKey).where(ApiKey.key_sha256 == token_sha256(text)))).one_or_none()
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        return None
    if key.last_used_at is None or key.last_used_at <= now - _USE_NOTED_EVERY:
        stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - _USE_NOTED_EVERY)
        await session.execute(
            update(ApiKey)
            .where(ApiKey.id == key.id, stale)
            .values(last_used_at=func.now())
            .execution_options(synchronize_session=False)
        )
    site_ids = None if key.site_ids is None else frozenset(key.site_ids)
    return KnownKey(key.name, key.role, site_ids, None if key.scopes is None else frozenset(key.scopes))
