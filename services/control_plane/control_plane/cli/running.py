"""What the commands have in common: settings, one transaction, and errors in one line."""

import asyncio
import contextlib
import os
import traceback
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, NoReturn, TypeVar

import typer
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.database import create_engine, create_sessions
from control_plane.errors import RefusedError
from control_plane.logs import configure_logs, without_secrets
from control_plane.prerequisites import StartError, command_database
from control_plane.settings import Settings

Result = TypeVar("Result")


def settings_of_environment(**given: Any) -> Settings:
    """The settings, `given` before what the environment says. Raises StartError without what was given."""
    try:
        return Settings(**given)
    except ValidationError as error:
        # Without what was given: it may be a password in the wrong place.
        problems = [f"{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        raise StartError("; ".join(problems)) from None
    except (OSError, UnicodeError) as error:
        raise StartError(f"the file .env can't be read: {error}") from error


@contextlib.asynccontextmanager
async def transaction() -> AsyncIterator[AsyncSession]:
    """One transaction on the service's database, while the service runs or not."""
    async with command_database(settings_of_environment()) as url:
        engine = create_engine(url, pool_size=1)
        try:
            async with create_sessions(engine).begin() as session:
                yield session
        finally:
            await engine.dispose()


def run_to_end(work: Coroutine[Any, Any, Result]) -> Result:
    """A command's work; ends the process with one line if it fails."""
    with one_line_errors():
        # What a command prints is its result; of the log, only what went wrong is of interest.
        configure_logs("ERROR", "console")
        return asyncio.run(work)
    raise AssertionError  # the line above returns or exits


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """What goes wrong within is told in one line, and ends the process with 1."""
    try:
        yield
    except (StartError, RefusedError) as error:
        fail(str(error))
    except DBAPIError as error:
        fail(f"the database refuses: {str(error.orig).splitlines()[0]}")
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # noqa: BLE001 - an administrator is told in one line, also of a fault of ours
        if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
            typer.echo(without_secrets(traceback.format_exc()), err=True)
        fail(f"{type(error).__name__}: {error} (LOG_LEVEL=DEBUG shows where)")


def fail(message: str) -> NoReturn:
    """End the process."""
    typer.echo(f"error: {without_secrets(message)}", err=True)
    raise typer.Exit(1)
