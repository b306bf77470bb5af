"""Bringing a database to the tables that this version needs, and telling whether it has them."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.database import create_engine

# Any number that nobody else uses: replicas that start together migrate one after the other.
_ADVISORY_LOCK = 7_221_001


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade (or, for an older `revision`, downgrade) the database at `url` in one transaction, all or nothing."""
    engine = create_engine(url, pool_size=1, statement_timeout_seconds=3600)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("SET LOCAL lock_timeout = 0"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
            # From here on a table that a long query holds makes the migration fail instead of queueing all others.
            await connection.execute(text("SET LOCAL lock_timeout = '30s'"))
            await connection.run_sync(_move, revision)
    finally:
        await engine.dispose()


async def current_revision(connection: AsyncConnection) -> str | None:
    """The migration that the database is at; None if it has never been migrated."""
    return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


def head_revision() -> str:
    """The migration that this version of the program needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise RuntimeError("this installation carries no migrations: install the control plane anew")
    return head


def _move(connection: Connection, revision: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    current = MigrationContext.configure(connection).get_current_revision()
    known = ScriptDirectory.from_config(config)
    older = revision == "base" or (
        revision != "head"
        and revision in {script.revision for script in known.walk_revisions("base", current or "base")}
    )
    (command.downgrade if older else command.upgrade)(config, revision)


def _config() -> Config:
    here = Path(__file__).parent
    installed = here / "migrations"
    config = Config()
    # In the tree they lie at its top; a wheel carries them inside the package.
    config.set_main_option("script_location", str(installed if installed.is_dir() else here.parents[2] / "migrations"))
    config.set_main_option("path_separator", "os")
    return config
