"""The tables of the job queue: the library's own SQL for Alembic migrations, in a schema of PostgreSQL of its own."""

from pathlib import Path

from procrastinate.schema import SchemaManager

NAME = "jobs"
"""Of the schema: nothing of the library's lies among our tables, and dropping it leaves nothing behind."""


def install() -> str:
    """The statements that make everything as the installed version of the library wants it."""
    return f"{_create()} SET LOCAL search_path TO {NAME}; {SchemaManager.get_schema()} {_note()} {_back()}"


def pending(newest: str) -> list[Path]:
    """The library's own changes that are younger than the one named `newest`, oldest first."""
    # The schema as a whole is never a change to an older one, and what is planned for a later version is not for now.
    changes = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    return [change for change in changes if change.stem > newest]


def upgrade(newest: str) -> str:
    """The statements of what is pending since `newest`, as `installed` says it: for the migration of an upgrade."""
    changes = " ".join(change.read_text("utf-8") for change in pending(newest))
    return f"SET LOCAL search_path TO {NAME}; {changes} {_note()} {_back()}"


def uninstall() -> str:
    """The statement that takes everything away, with all that waits and all that was done."""
    return f"DROP SCHEMA {NAME} CASCADE;"


INSTALLED = f"SELECT obj_description('{NAME}'::regnamespace, 'pg_namespace')"
"""Asks for the newest of the library's changes that the tables have."""


def _create() -> str:
    # Not IF NOT EXISTS: that asks for the right to create schemas even where an administrator has made this one.
    return f"DO $$ BEGIN IF to_regnamespace('{NAME}') IS NULL THEN CREATE SCHEMA {NAME}; END IF; END $$;"


def _note() -> str:
    newest = pending("")[-1].stem
    return f"COMMENT ON SCHEMA {NAME} IS '{newest}';"


def _back() -> str:
    return "SET LOCAL search_path TO DEFAULT;"
