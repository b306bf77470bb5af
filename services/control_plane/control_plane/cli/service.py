"""Running the service, and what belongs to its installation."""

import asyncio
from enum import StrEnum
from typing import Annotated

import typer
from cryptography.fernet import Fernet

from control_plane.cli.running import one_line_errors, run_to_end, settings_of_environment
from control_plane.logs import configure_logs
from control_plane.prerequisites import migrate_database


class Api(StrEnum):
    """The documented APIs, by their name under /v0/api/."""

    LOCAL_CLIENT = "local-client"
    CCTV = "cctv"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, instead of PORT.")] = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Without DATABASE_URL it runs an embedded PostgreSQL in DATA_DIR and migrates it by itself. With DATABASE_URL it
    waits for that database for a minute, and refuses to start until `control-plane migrate` was run.
    """
    from control_plane.service import serve as run

    with one_line_errors():
        given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
        settings = settings_of_environment(**given)
        configure_logs(settings.log_level, settings.log_format)
        asyncio.run(run(settings))


def work() -> None:
    """Do background work, and nothing else, until SIGTERM or Ctrl-C.

    Every `control-plane serve` does its share of it by itself, unless BACKGROUND_JOBS=false. However many there are of
    both, each job is done once.
    """
    from control_plane.service import work_only as run

    with one_line_errors():
        settings = settings_of_environment()
        configure_logs(settings.log_level, settings.log_format)
        asyncio.run(run(settings))


def migrate() -> None:
    """Give the database the tables that this version needs.

    Run it before a new version is started with DATABASE_URL; the embedded database is migrated by `serve`. Safe to
    repeat, and to run on several machines at once: all is done in one transaction, or nothing.
    """

    async def run() -> str:
        return await migrate_database(settings_of_environment())

    typer.echo(f"the database is at migration {run_to_end(run())}")


def create_secret_key() -> None:
    """Print a new key for SECRET_KEYS.

    To change the key, put the new one in front of the old one, with a comma: new secrets are encrypted with the first,
    old ones are still read.
    """
    typer.echo(Fernet.generate_key().decode())


def openapi(api: Annotated[Api, typer.Argument(help="Which of the APIs.")] = Api.LOCAL_CLIENT) -> None:
    """Print the OpenAPI document of one API as JSON. Needs no database."""
    from control_plane.documents import openapi_document

    typer.echo(run_to_end(openapi_document(api)))
