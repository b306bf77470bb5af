"""The command `control-plane`: running the service, and what an administrator does on its machine."""

import asyncio
import contextlib
import os
import sys
import traceback
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from cryptography.fernet import Fernet
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.database import create_engine, create_sessions
from control_plane.errors import RefusedError
from control_plane.logs import configure_logs, without_secrets
from control_plane.models import Role
from control_plane.prerequisites import StartError, command_database, migrate_database
from control_plane.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # Typer's own tracebacks show local variables, and those hold passwords.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="camfleet's control plane. Settings come from the environment or from a file .env in the working directory; "
    "deploy/control-plane.env.template explains each.",
)

Result = TypeVar("Result")


class Api(StrEnum):
    """The documented APIs, by their name under /v0/api/."""

    LOCAL_CLIENT = "local-client"
    CCTV = "cctv"


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on, instead of HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on, instead of PORT.")] = None,
) -> None:
    """Run the service until SIGTERM or Ctrl-C.

    Without DATABASE_URL it runs an embedded PostgreSQL in DATA_DIR and migrates it by itself. With DATABASE_URL it
    waits for that database for a minute, and refuses to start until `control-plane migrate` was run.
    """
    from control_plane.service import serve as run

    with _one_line_errors():
        given = {name: value for name, value in {"host": host, "port": port}.items() if value is not None}
        settings = _settings(**given)
        configure_logs(settings.log_level, settings.log_format)
        asyncio.run(run(settings))


@app.command()
def work() -> None:
    """Do background work, and nothing else, until SIGTERM or Ctrl-C.

    Every `control-plane serve` does its share of it by itself, unless BACKGROUND_JOBS=false. However many there are of
    both, each job is done once.
    """
    from control_plane.service import work_only as run

    with _one_line_errors():
        settings = _settings()
        configure_logs(settings.log_level, settings.log_format)
        asyncio.run(run(settings))


@app.command()
def migrate() -> None:
    """Give the database the tables that this version needs.

    Run it before a new version is started with DATABASE_URL; the embedded database is migrated by `serve`. Safe to
    repeat, and to run on several machines at once: all is done in one transaction, or nothing.
    """

    async def run() -> str:
        return await migrate_database(_settings())

    typer.echo(f"the database is at migration {_run(run())}")


@app.command()
def create_operator(
    username: Annotated[str, typer.Argument(help="The name to log in with.")],
    role: Annotated[Role, typer.Option(help="What the operator may do; each role may do all that is before it.")] = (
        Role.OPERATOR
    ),
    site: Annotated[
        list[str] | None, typer.Option(help="Only this site, by its name; may be given several times. Else all.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
    ] = False,
) -> None:
    """Create a person who may use the console.

    The password is asked for, or taken from --password-stdin, or from the environment variable OPERATOR_PASSWORD; never
    from the command line, which every user of the machine can read.
    """
    from control_plane.events import COMMAND_LINE
    from control_plane.security.limits import sites_named
    from control_plane.security.operators import create_operator as create

    async def run(password: str) -> None:
        async with _transaction() as session:
            site_ids = await sites_named(session, site or [])
            await create(session, username, password, role, actor=COMMAND_LINE, site_ids=site_ids)

    with _one_line_errors():
        password = _password(from_stdin=password_stdin)
    _run(run(password))
    typer.echo(f"created the operator {username} with the role {role}")


@app.command()
def create_api_key(
    name: Annotated[str, typer.Argument(help="What the key is for, as it shows in the audit log.")],
    role: Annotated[Role, typer.Option(help="What the key may do.")] = Role.VIEWER,
    expires_in_days: Annotated[
        int | None, typer.Option(min=1, max=36_500, help="After how many days it ends by itself; never, if left out.")
    ] = None,
    site: Annotated[
        list[str] | None, typer.Option(help="Only this site, by its name; may be given several times. Else all.")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="Only for this, as in cameras:read, recordings:write or *:read; may be given several times."),
    ] = None,
) -> None:
    """Create a key for the operators' API (/v0/api/cctv/). It is printed once, as the last line."""
    from control_plane.events import COMMAND_LINE
    from control_plane.security.api_keys import create_api_key as create
    from control_plane.security.limits import sites_named

    expires_at = datetime.now(UTC) + timedelta(days=expires_in_days) if expires_in_days else None

    async def run() -> str:
        async with _transaction() as session:
            sites = await sites_named(session, site or [])
            made = await create(
                session, name, role, expires_at, actor=COMMAND_LINE, site_ids=sites, scopes=scope or None
            )
            return made.text

    key = _run(run())
    typer.echo(f"created the API key {name} with the role {role}; it is shown only now:")
    typer.echo(key)


@app.command()
def revoke_api_key(name: Annotated[str, typer.Argument(help="The name the key was created with.")]) -> None:
    """Refuse a key from now on. Safe to repeat; its name stays in the audit log and can't be used again."""
    from control_plane.events import COMMAND_LINE
    from control_plane.security.api_keys import revoke_api_key as revoke

    async def run() -> None:
        async with _transaction() as session:
            await revoke(session, name, now=datetime.now(UTC), actor=COMMAND_LINE)

    _run(run())
    typer.echo(f"revoked the API key {name}")


@app.command()
def create_client(
    name: Annotated[str, typer.Argument(help="What the recorder is called in the console.")],
    site: Annotated[str, typer.Option(help="Name of its site, which is created if there is none.")],
    timezone: Annotated[str, typer.Option(help="Time zone of a new site, as in Europe/Berlin.")] = "UTC",
) -> None:
    """Create a local recording client. Its token is printed once, as the last line."""
    from control_plane.events import COMMAND_LINE
    from control_plane.fleet.clients import create_client as create
    from control_plane.fleet.sites import site_named

    async def run() -> tuple[str, str]:
        async with _transaction() as session:
            home = await site_named(session, site, timezone=timezone, actor=COMMAND_LINE)
            client, token = await create(session, name, home.id, actor=COMMAND_LINE)
            return str(client.id), token.text

    client_id, token = _run(run())
    typer.echo(f"created the client {name} ({client_id}) at {site}; its CLIENT_TOKEN is shown only now:")
    typer.echo(token)


@app.command()
def create_secret_key() -> None:
    """Print a new key for SECRET_KEYS.

    To change the key, put the new one in front of the old one, with a comma: new secrets are encrypted with the first,
    old ones are still read.
    """
    typer.echo(Fernet.generate_key().decode())


@app.command()
def rebuild_index(
    from_url: Annotated[
        str, typer.Option("--from", help="gs://BUCKET or file:///FOLDER to look into, instead of STORAGE_URL.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing; say what would be made.")] = False,
    checksums: Annotated[
        bool, typer.Option("--checksums", help="Also read, and compare byte by byte, what the database knows.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line; the last has the counts.")] = False,
) -> None:
    """Recreate recordings and segments from what the store holds, and say where store and database differ.

    Nothing that exists is changed, in the database or in the store: safe to repeat, also while the service runs, and
    to go on with after it was stopped. Recorders and cameras that the database doesn't know are made with their old
    ids, inactive, at the site Recovered. Ends with 0 if store and database agree afterwards, with 3 if they differ.
    """
    from control_plane.rebuild.command import run, shown

    tell, told = shown(as_json=as_json)
    summary = _run(run(_settings(), from_url, tell, is_dry=dry_run, with_checksums=checksums))
    told(summary)
    if summary.differs:
        raise typer.Exit(3)


@app.command()
def moved_store(
    from_url: Annotated[str, typer.Option("--from", help="The old store, as in gs://BUCKET or file:///FOLDER.")],
) -> None:
    """Note that footage was moved from another store to that of STORAGE_URL: copied, or its folder mounted elsewhere.

    A segment counts as moved where the store has its object with the same name and size, and in a bucket with the same
    CRC32C. Moves nothing itself; safe to repeat. Ends with 0 if nothing is left in the old store, else with 3.
    """
    from control_plane.rebuild.command import run_moved

    moved = _run(run_moved(_settings(), from_url))
    typer.echo(f"{moved.segments} segments noted as moved, {moved.left} still in {from_url}")
    if moved.left:
        raise typer.Exit(3)


@app.command(name="drill")
def restore_drill(
    samples: Annotated[int, typer.Option(min=1, max=1000, help="How many stored segments are drawn at random.")] = 20,
    camera: Annotated[uuid.UUID | None, typer.Option(help="Only of this camera.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only what was recorded from then on, in UTC.")] = None,
    minutes: Annotated[int, typer.Option(min=1, help="After so long, what was looked at by then is published.")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, as the REST API has it.")] = False,
) -> None:
    """Fetch stored segments, drawn at random, and see that each can be restored: size, checksums, every packet.

    What it finds is published: in the console, by the REST API, and as an event for each segment that failed. Ends
    with 0 if all can be restored, else with 1; also with 1, and publishing nothing, if the store can't be asked.
    """
    from control_plane.drills.command import run, show

    done = _run(run(_settings(), samples, camera, since.replace(tzinfo=UTC) if since else None, minutes=minutes))
    show(done, as_json=as_json)
    if done.failures:
        raise typer.Exit(1)


@app.command()
def export(
    camera: Annotated[str, typer.Option(help="The camera's id.")],
    start: Annotated[str, typer.Option("--from", help="Since when, as in 2026-03-01T20:00:00Z, or a day.")],
    until: Annotated[str, typer.Option(help="Until before when. Without an offset, both are UTC.")],
    to: Annotated[Path, typer.Option(help="The folder to make.")],
) -> None:
    """Export what is stored of a camera, with the manifest that proves it and the script that checks it.

    The manifest's SHA-256 is printed and kept in the audit log.
    """
    from control_plane.custody.command import run_export

    _run(run_export(_settings(), camera, start, until, to, tell=typer.echo))


@app.command()
def verify(
    camera: Annotated[str, typer.Option(help="The camera's id.")],
    start: Annotated[str, typer.Option("--from", help="Since when, as in 2026-03-01T20:00:00Z, or a day.")],
    until: Annotated[str, typer.Option(help="Until before when. Without an offset, both are UTC.")],
    with_bytes: Annotated[
        bool, typer.Option("--bytes", help="Also read every object and compare its SHA-256; in a bucket this costs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON object a line; the last has the counts.")] = False,
) -> None:
    """Check that a camera's stored footage is all there and as it was recorded.

    Compares the database's rows with the store's objects, follows the chains from segment to segment, and compares
    their ends with what the recorders told. Names what was altered, removed, inserted or swapped. Ends with 0 if
    nothing was, with 1 if something was or if it could not be checked. Changes nothing.
    """
    from control_plane.custody.command import run_verify

    if not _run(run_verify(_settings(), camera, start, until, with_bytes=with_bytes, as_json=as_json, tell=typer.echo)):
        raise typer.Exit(1)


@app.command()
def openapi(api: Annotated[Api, typer.Argument(help="Which of the APIs.")] = Api.LOCAL_CLIENT) -> None:
    """Print the OpenAPI document of one API as JSON. Needs no database."""
    from control_plane.documents import openapi_document

    typer.echo(_run(openapi_document(api)))


def _settings(**given: Any) -> Settings:
    try:
        return Settings(**given)
    except ValidationError as error:
        # Without what was given: it may be a password in the wrong place.
        problems = [f"{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise StartError("; ".join(problems)) from None
    except (OSError, UnicodeError) as error:
        raise StartError(f"the file .env can't be read: {error}") from error


@contextlib.asynccontextmanager
async def _transaction() -> AsyncIterator[AsyncSession]:
    """One transaction on the service's database, while the service runs or not."""
    async with command_database(_settings()) as url:
        engine = create_engine(url, pool_size=1)
        try:
            async with create_sessions(engine).begin() as session:
                yield session
        finally:
            await engine.dispose()


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if given := os.environ.get("OPERATOR_PASSWORD"):
        return given
    if not sys.stdin.isatty():
        raise StartError("no password: use --password-stdin, or set OPERATOR_PASSWORD")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    with _one_line_errors():
        # What a command prints is its result; of the log, only what went wrong is of interest.
        configure_logs("ERROR", "console")
        return asyncio.run(work)
    raise AssertionError  # the line above returns or exits


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (StartError, RefusedError) as error:
        _fail(str(error))
    except DBAPIError as error:
        _fail(f"the database refuses: {str(error.orig).splitlines()[0]}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # noqa: BLE001 - an administrator is told in one line, also of a fault of ours
        if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
            typer.echo(without_secrets(traceback.format_exc()), err=True)
        _fail(f"{type(error).__name__}: {error} (LOG_LEVEL=DEBUG shows where)")


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {without_secrets(message)}", err=True)
    raise typer.Exit(1)
