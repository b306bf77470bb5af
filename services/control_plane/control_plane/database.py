"""The way to PostgreSQL: one engine, and one transaction per request that ends before the answer leaves."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

SLACK_SECONDS = 5.0
"""Beyond a statement's own limit: who waits for an answer gives up then, whatever the database does."""


def create_engine(url: str, *, pool_size: int = 10, statement_timeout_seconds: float = 10.0) -> AsyncEngine:
    """An engine for `postgresql+asyncpg://...`. Every wait has a limit: for a connection, a lock and a statement."""
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        # SQL and parameters in an error's text would carry other people's data into logs.
        hide_parameters=True,
        connect_args={
            "timeout": 5,
            "command_timeout": statement_timeout_seconds + SLACK_SECONDS,
            "server_settings": {
                "application_name": "camfleet-control-plane",
                "statement_timeout": str(int(statement_timeout_seconds * 1000)),
                "lock_timeout": "5000",
                "idle_in_transaction_session_timeout": "30000",
                "timezone": "UTC",
            },
        },
    )


def create_sessions(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    """Sessions whose objects stay readable after the commit."""
    return async_sessionmaker(engine, expire_on_commit=False)


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.services.sessions.begin() as session:
        yield session


# scope="function": FastAPI would otherwise commit after the answer has left, and a recorder that deletes footage
# after a 200 that was never committed loses it.
Session = Annotated[AsyncSession, Depends(_transaction, scope="function")]
"""One transaction: committed before the answer leaves, rolled back on any error."""
