"""Logins over the API: an access token for minutes, and a refresh token that is good for one exchange."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from control_plane.events import Actor, record_event
from control_plane.models import Login, LoginEnd, LoginToken, LoginTokenKind, Operator
from control_plane.security.tokens import NewToken, new_access_token, new_refresh_token, token_sha256

ACCESS_FOR = timedelta(minutes=10)
REFRESH_FOR = timedelta(days=7)
"""Who stays away for longer types the password again."""
LOGIN_FOR = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=7)
"""How long a login that is over is kept: a token that turns up late is still known as one of its own."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login or a refresh hands out, at the one moment when it is known."""

    operator: Operator
    access: NewToken = field(repr=False)
    access_expires_at: datetime
    refresh: NewToken = field(repr=False)
    refresh_expires_at: datetime


async def begin_login(session: AsyncSession, operator: Operator, *, now: datetime) -> Tokens:
    """Begin a login of somebody whose password was right."""
    login = Login(
        operator_id=operator.id, session_epoch=operator.session_epoch, began_at=now, expires_at=now + LOGIN_FOR
    )
    session.add(login)
    await session.flush()
    return _hand_out(session, login, operator, now)


async def refresh_login(session: AsyncSession, text: str, *, now: datetime, address: str | None) -> Tokens | None:
    """Exchange a refresh token for new tokens; None for one that is unknown, expired, or of a login that is over.

    One that was exchanged before ends its login, with all tokens of it: the transaction must be committed also then.
    """
    token = await session.scalar(
        select(LoginToken)
        .where(LoginToken.token_sha256 == token_sha256(text), LoginToken.kind == LoginTokenKind.REFRESH)
        # Of two who come at the same moment with the same token, the second finds it used.
        .with_for_update()
    )
    if token is None:
        return None
    login = await session.get_one(Login, token.login_id, options=[joinedload(Login.operator)])
    if not is_live(login, now):
        return None
    if token.used_at is not None:
        login.ended_at, login.ended_because = now, LoginEnd.REUSE
        _record(session, login.operator, "operator.refresh_token_reused", Actor("nobody", address), login)
        return None
    if token.expires_at <= now:
        return None
    token.used_at = now
    over = (LoginToken.login_id == login.id, LoginToken.kind == LoginTokenKind.ACCESS, LoginToken.expires_at <= now)
    await session.execute(delete(LoginToken).where(*over).execution_options(synchronize_session=False))
    return _hand_out(session, login, login.operator, now)


async def recognize_access_token(session: AsyncSession, text: str, *, now: datetime) -> Login | None:
    """The login that an access token belongs to, with its operator; None where it is not good any more."""
    token = await session.scalar(
        select(LoginToken)
        .where(LoginToken.token_sha256 == token_sha256(text), LoginToken.kind == LoginTokenKind.ACCESS)
        .options(joinedload(LoginToken.login).joinedload(Login.operator))
    )
    if token is None or token.expires_at <= now or not is_live(token.login, now):
        return None
    return token.login


def is_live(login: Login, now: datetime) -> bool:
    """Whether its tokens may be good: the operator is, and nothing has ended it."""
    operator = login.operator
    return (
        login.ended_at is None
        and login.expires_at > now
        and operator.is_active
        and operator.session_epoch == login.session_epoch
    )


async def end_login(session: AsyncSession, login_id: uuid.UUID, *, now: datetime, actor: Actor) -> None:
    """Refuse every token of the login from now on."""
    login = await session.get_one(Login, login_id, options=[joinedload(Login.operator)], with_for_update={"of": Login})
    if login.ended_at is None:
        login.ended_at, login.ended_because = now, LoginEnd.LOGOUT
        _record(session, login.operator, "operator.logged_out", actor, login)


async def operator_of(session: AsyncSession, login_id: uuid.UUID) -> Operator:
    """Whose login it is; locked until the end of the transaction."""
    query = select(Operator).join(Login, Login.operator_id == Operator.id).where(Login.id == login_id)
    return (await session.scalars(query.with_for_update(of=Operator, key_share=True))).one()


async def forget_logins(session: AsyncSession, now: datetime) -> None:
    """Delete what has been over for long, with its tokens."""
    await session.execute(delete(Login).where(Login.expires_at < now - FORGOTTEN_AFTER))


def _hand_out(session: AsyncSession, login: Login, operator: Operator, now: datetime) -> Tokens:
    access, refresh = new_access_token(), new_refresh_token()
    access_until = min(now + ACCESS_FOR, login.expires_at)
    refresh_until = min(now + REFRESH_FOR, login.expires_at)
    for token, kind, until in (
        (access, LoginTokenKind.ACCESS, access_until),
        (refresh, LoginTokenKind.REFRESH, refresh_until),
    ):
        session.add(LoginToken(token_sha256=token.sha256, login_id=login.id, kind=kind, expires_at=until))
    return Tokens(operator, access, access_until, refresh, refresh_until)


def _record(session: AsyncSession, operator: Operator, kind: str, actor: Actor, login: Login) -> None:
    detail = {"username": operator.username, "login_id": login.id, "began_at": login.began_at}
    record_event(session, "operator", operator.id, kind, actor, detail)
