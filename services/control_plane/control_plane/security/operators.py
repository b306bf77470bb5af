"""Operators: made, recognized at login, and their passwords."""

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import Conflict, FieldProblem, Invalid
from control_plane.events import Actor, difference, record_event
from control_plane.models import Operator, Role
from control_plane.security.limits import checked_sites
from control_plane.security.passwords import MINIMUM_LENGTH, hash_password, is_password

_LONGEST_NAME = 100
_LONGEST_PASSWORD = 1000
"""argon2id reads all of it: a book as a password would be a way to keep the processor busy."""


async def create_operator(
    session: AsyncSession,
    username: str,
    password: str,
    role: Role,
    *,
    actor: Actor,
    site_ids: Collection[uuid.UUID] | None = None,
) -> Operator:
    """Make an operator. Raises Invalid, or Conflict when the name is taken."""
    username = username.strip()
    if not 0 < len(username) <= _LONGEST_NAME or not username.isprintable():
        raise Invalid("username", f"must be one line of 1 to {_LONGEST_NAME} characters")
    sites = await checked_sites(session, site_ids)
    operator = Operator(username=username, password_hash=await _hashed(password, username), role=role, site_ids=sites)
    try:
        async with session.begin_nested():
            session.add(operator)
    except IntegrityError:
        raise Conflict(f"There is an operator named {username!r} already.") from None
    detail = {"username": username, "role": role, "site_ids": sites}
    record_event(session, "operator", operator.id, "operator.created", actor, detail)
    return operator


async def recognize_operator(session: AsyncSession, username: str, password: str, *, now: datetime) -> Operator | None:
    """The active operator with that password, whose login is noted; None otherwise, after the same time."""
    username = username.strip()
    operator = None
    if len(username) <= _LONGEST_NAME and username.isprintable():
        operator = (await session.scalars(select(Operator).where(Operator.username == username))).one_or_none()
    matches = await is_password(password[:_LONGEST_PASSWORD], operator.password_hash if operator else None)
    if operator is None or not matches or len(password) > _LONGEST_PASSWORD or not operator.is_active:
        return None
    operator.last_login_at = now
    return operator


async def change_password(session: AsyncSession, operator: Operator, password: str, *, actor: Actor) -> None:
    """Set a new password and end every session of the operator. Raises Invalid."""
    operator.password_hash = await _hashed(password, operator.username)
    operator.session_epoch += 1
    record_event(session, "operator", operator.id, "operator.password_changed", actor)


def end_sessions(session: AsyncSession, operator: Operator, *, actor: Actor) -> None:
    """End every session at the console and every login over the API; `operator` must be locked."""
    operator.session_epoch += 1
    record_event(session, "operator", operator.id, "operator.sessions_ended", actor, {"username": operator.username})


async def change_operator(
    session: AsyncSession,
    operator: Operator,
    *,
    role: Role,
    is_active: bool,
    site_ids: Collection[uuid.UUID] | None,
    actor: Actor,
) -> None:
    """Change what the operator may do, and where: `site_ids` None is at all sites.

    Raises Invalid, and Conflict where nobody could manage operators any more. Locking somebody out also ends the
    sessions that are open.
    """
    before = {"role": operator.role, "is_active": operator.is_active, "site_ids": operator.site_ids}
    sites = await checked_sites(session, site_ids)
    changes = difference(before, {"role": role, "is_active": is_active, "site_ids": sites})
    if not changes:
        return
    if not (role is Role.ADMIN and is_active and site_ids is None):
        await _check_another_admin(session, operator)
    operator.role, operator.site_ids = role, sites
    if operator.is_active and not is_active:
        operator.session_epoch += 1
    operator.is_active = is_active
    record_event(session, "operator", operator.id, "operator.changed", actor, changes)
    await session.flush()


async def delete_operator(session: AsyncSession, operator: Operator, *, actor: Actor) -> None:
    """Delete the operator; the events of what they did stay. Raises Conflict for the last admin."""
    await _check_another_admin(session, operator)
    await session.delete(operator)
    record_event(session, "operator", operator.id, "operator.deleted", actor, {"username": operator.username})


async def _check_another_admin(session: AsyncSession, operator: Operator) -> None:
    if operator.role is not Role.ADMIN or not operator.is_active or operator.site_ids is not None:
        return
    # Locked, or two admins could lock each other out in the same moment.
    admins = await session.scalars(
        select(Operator.id)
        .where(Operator.role == Role.ADMIN, Operator.is_active, Operator.site_ids.is_(None))
        .order_by(Operator.id)
        .with_for_update(key_share=True)
    )
    if set(admins) <= {operator.id}:
        raise Conflict("This is the only active admin who is not limited to sites: make another one first.")


def password_problem(password: str, username: str) -> FieldProblem | None:
    """Why the password is refused."""
    if len(password) < MINIMUM_LENGTH:
        return FieldProblem("password", f"must have at least {MINIMUM_LENGTH} characters")
    if len(password) > _LONGEST_PASSWORD:
        return FieldProblem("password", f"must have at most {_LONGEST_PASSWORD} characters")
    if password.casefold() == username.casefold():
        return FieldProblem("password", "must not be the name")
    return None


async def _hashed(password: str, username: str) -> str:
    if problem := password_problem(password, username):
        raise Invalid.of([problem])
    return await hash_password(password)
