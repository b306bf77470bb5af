"""The short way to PostgreSQL, for what recorders ask all the time: prepared statements on bare connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import asyncpg
from sqlalchemy.engine import URL

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Pooled: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Record: TypeAlias = "asyncpg.Record"

GONE = (
    OSError,  # among them a time-out
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
"""What is raised on a connection that ends; the next one may do better."""

# These statements look up a few rows by their keys, however large the tables are. With parameters that are arrays the
# planner can't know that, and planning them again each time would cost more than running them.
_POINT_LOOK_UPS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_SQLALCHEMYS_OWN = {"prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"}
_CONNECT_SECONDS = 5.0
_WAIT_SECONDS = 5.0
_CONNECTIONS = 4


def connect_arguments(url: URL, statement_timeout_seconds: float, **settings: str) -> dict[str, Any]:
    """What asyncpg is to connect with, on the short way: as the engine for `url`, less what only SQLAlchemy knows."""
    _, how = url.get_dialect()().create_connect_args(url)
    return {name: value for name, value in how.items() if name not in _SQLALCHEMYS_OWN} | {
        "timeout": _CONNECT_SECONDS,
        "command_timeout": statement_timeout_seconds + 5,
        "server_settings": {
            "application_name": "camfleet-control-plane",
            "statement_timeout": str(int(statement_timeout_seconds * 1000)),
            "lock_timeout": "5000",
            "idle_in_transaction_session_timeout": "30000",
            "timezone": "UTC",
            **_POINT_LOOK_UPS,
            **settings,
        },
    }


class _Connection(asyncpg.Connection):
    """Nothing here changes a session, so nothing has to be reset in a round trip of its own."""

    def get_reset_query(self) -> str:
        return ""


class Direct:
    """A few connections, opened when they are needed first."""

    def __init__(self, url: URL, statement_timeout_seconds: float) -> None:
        self._how = connect_arguments(url, statement_timeout_seconds)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def fetch(self, statement: str, *arguments: object) -> list[Record]:
        """Run one statement in a transaction of its own; committed when it returns.

        Tried again once when the connection turns out to be gone, so it must be one that may be repeated.
        """
        pool = await self._opened()
        try:
            async with pool.acquire(timeout=_WAIT_SECONDS) as connection:
                return await connection.fetch(statement, *arguments)
        except TimeoutError:
            raise
        except GONE:
            await pool.expire_connections()  # they all were to the server that went away
            async with pool.acquire(timeout=_WAIT_SECONDS) as connection:
                return await connection.fetch(statement, *arguments)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Pooled]:
        """Several statements in one transaction."""
        pool = await self._opened()
        async with pool.acquire(timeout=_WAIT_SECONDS) as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Let go of all connections."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    **self._how, min_size=0, max_size=_CONNECTIONS, connection_class=_Connection
                )
        return self._pool
