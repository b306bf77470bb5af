"""The queue in PostgreSQL: how it is reached, beside the engine that everything else uses."""

from typing import Any

from procrastinate import App, PsycopgConnector
from sqlalchemy.engine import URL

from control_plane.jobs.schema import NAME

_CONNECT_SECONDS = 5
_LIMITS = "-c lock_timeout=5s -c statement_timeout=10s -c idle_in_transaction_session_timeout=30s"
_MOST_CONNECTIONS = 3
# What asyncpg and libpq both understand, under the same name.
_SHARED_OPTIONS = ("target_session_attrs", "passfile", "krbsrvname")


def create_queue(url: URL) -> App:
    """The queue of the database at `url` (`postgresql+asyncpg://...`), without any tasks, not yet opened."""
    connector = PsycopgConnector(
        kwargs=connection_arguments(url),
        min_size=1,
        max_size=_MOST_CONNECTIONS,
        timeout=_CONNECT_SECONDS,
        # It would otherwise go on trying for minutes by itself, and log each time; whoever opened it tries again.
        reconnect_timeout=_CONNECT_SECONDS,
    )
    return App(connector=connector)


def connection_arguments(url: URL) -> dict[str, Any]:
    """What psycopg connects with: the same database, asked for as asyncpg is asked for it."""
    given: dict[str, Any] = {
        "host": url.query.get("host") or url.host,
        "port": url.query.get("port") or url.port,
        "user": url.username or url.query.get("user"),
        "password": url.password or url.query.get("password"),
        "dbname": url.database or url.query.get("database"),
        # The names of the modes are libpq's in both.
        "sslmode": url.query.get("ssl") or url.query.get("sslmode"),
        **{name: url.query.get(name) for name in _SHARED_OPTIONS},
    }
    return {name: _joined(value) for name, value in given.items() if value} | {
        "application_name": "camfleet-jobs",
        "connect_timeout": _CONNECT_SECONDS,
        # The mute death of the database's host is found out within half a minute.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        "options": f"-c search_path={NAME} -c timezone=UTC {_LIMITS}",
    }


def _joined(value: Any) -> Any:
    # SQLAlchemy gives a tuple for `?host=a&host=b`; libpq wants commas.
    return ",".join(value) if isinstance(value, tuple) else value
