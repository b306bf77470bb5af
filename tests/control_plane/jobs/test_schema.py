"""The queue's tables are those of the library that is installed, whoever made them and when."""

from control_plane.jobs import schema
from tests.postgres import Postgres, connect


async def test_the_tables_have_all_changes_of_the_installed_library(database: str) -> None:
    # When this fails after an upgrade of the library: a migration has to run `schema.upgrade` with what is found here.
    connection = await connect(database)
    newest = await connection.fetchval(schema.INSTALLED)
    await connection.close(timeout=5)
    assert schema.pending(newest) == []


async def test_an_upgrade_runs_what_came_since_and_says_so(postgres: Postgres) -> None:
    """From the tables of an older version, which the library's own changes make: the same columns as made at once."""
    columns = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns"
        " WHERE table_schema = 'jobs' ORDER BY 1, 2"
    )
    async with postgres.database(empty=True) as older, postgres.database(empty=True) as new:
        made_at_once = await connect(new)
        await made_at_once.execute(f"BEGIN; {schema.install()} COMMIT;")
        upgraded = await connect(older)
        first, *_ = schema.pending("")
        begun = first.read_text("utf-8")
        await upgraded.execute(f"CREATE SCHEMA jobs; BEGIN; SET LOCAL search_path TO jobs; {begun} COMMIT;")
        for change in schema.pending(first.stem):
            # One at a time: a value of an enum can't be used in the transaction that adds it.
            await upgraded.execute(f"SET search_path TO jobs; {change.read_text('utf-8')}")
        before_last = schema.pending("")[-2].stem
        assert [change.stem for change in schema.pending(before_last)] == [schema.pending("")[-1].stem]
        assert await upgraded.fetch(columns) == await made_at_once.fetch(columns)
        assert await made_at_once.fetchval(schema.INSTALLED) == schema.pending("")[-1].stem
        assert await made_at_once.fetchval("SHOW search_path") == '"$user", public', (
            "nothing of it outlives the migration"
        )
        await upgraded.close(timeout=5)
        await made_at_once.close(timeout=5)
