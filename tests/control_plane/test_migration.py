"""The migrations make what the models describe, up and down, once, whoever runs them."""

import asyncio
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from control_plane.database import create_engine
from control_plane.migration import current_revision, head_revision, migrate
from control_plane.models import Base
from tests.postgres import Postgres, connect


def differences(connection: Connection) -> list[object]:
    def is_no_partition(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or name is None or name in Base.metadata.tables or name == "unheard_of"

    options = {"compare_server_default": True, "compare_type": True, "include_name": is_no_partition}
    context = MigrationContext.configure(connection, opts=options)
    return list(compare_metadata(context, Base.metadata))


async def test_the_migrations_make_exactly_the_tables_of_the_models(database: str) -> None:
    engine = create_engine(database)
    async with engine.begin() as connection:
        assert await connection.run_sync(differences) == []
        await connection.execute(text("ALTER TABLE cameras DROP COLUMN location"))
        await connection.execute(text("CREATE TABLE unheard_of ()"))
        assert len(await connection.run_sync(differences)) == 2, "a drift would be seen"
        await connection.rollback()
    await engine.dispose()


def test_the_migrations_have_one_head() -> None:
    """Two that were made side by side follow each other, or nobody can upgrade."""
    folder = Path(__file__).parents[2] / "migrations"
    assert ScriptDirectory(str(folder)).get_heads() == [head_revision()]


async def test_up_down_and_up_again_leaves_nothing_behind(postgres: Postgres) -> None:
    async with postgres.database(empty=True) as url:
        await migrate(url)
        await migrate(url, "base")
        connection = await connect(url)
        left = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v')"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        assert [row[0] for row in left] == ["alembic_version"]
        await connection.close()
        await migrate(url)


async def test_replicas_that_start_together_migrate_once(postgres: Postgres) -> None:
    async with postgres.database(empty=True) as url:
        async with asyncio.TaskGroup() as replicas:
            for _ in range(3):
                replicas.create_task(migrate(url))
        engine = create_engine(url)
        async with engine.connect() as connection:
            assert await current_revision(connection) == head_revision()
        await engine.dispose()
