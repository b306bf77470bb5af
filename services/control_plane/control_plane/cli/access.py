"""Who may call: operators, keys for scripts, and recorders."""

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from control_plane.cli.running import one_line_errors, run_to_end, transaction
from control_plane.models import Role
from control_plane.prerequisites import StartError


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
        async with transaction() as session:
            site_ids = await sites_named(session, site or [])
            await create(session, username, password, role, actor=COMMAND_LINE, site_ids=site_ids)

    with one_line_errors():
        password = _password(from_stdin=password_stdin)
    run_to_end(run(password))
    typer.echo(f"created the operator {username} with the role {role}")


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
        async with transaction() as session:
            sites = await sites_named(session, site or [])
            made = await create(
                session, name, role, expires_at, actor=COMMAND_LINE, site_ids=sites, scopes=scope or None
            )
            return made.text

    key = run_to_end(run())
    typer.echo(f"created the API key {name} with the role {role}; it is shown only now:")
    typer.echo(key)


def revoke_api_key(name: Annotated[str, typer.Argument(help="The name the key was created with.")]) -> None:
    """Refuse a key from now on. Safe to repeat; its name stays in the audit log and can't be used again."""
    from control_plane.events import COMMAND_LINE
    from control_plane.security.api_keys import revoke_api_key as revoke

    async def run() -> None:
        async with transaction() as session:
            await revoke(session, name, now=datetime.now(UTC), actor=COMMAND_LINE)

    run_to_end(run())
    typer.echo(f"revoked the API key {name}")


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
        async with transaction() as session:
            home = await site_named(session, site, timezone=timezone, actor=COMMAND_LINE)
            client, token = await create(session, name, home.id, actor=COMMAND_LINE)
            return str(client.id), token.text

    client_id, token = run_to_end(run())
    typer.echo(f"created the client {name} ({client_id}) at {site}; its CLIENT_TOKEN is shown only now:")
    typer.echo(token)


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if given := os.environ.get("OPERATOR_PASSWORD"):
        return given
    if not sys.stdin.isatty():
        raise StartError("no password: use --password-stdin, or set OPERATOR_PASSWORD")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
