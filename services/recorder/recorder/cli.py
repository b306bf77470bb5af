"""The command line: `recorder run`, `recorder check`, `recorder hold`, `recorder release`, `recorder accept-disk`."""

import asyncio
import logging
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal, NoReturn
from uuid import UUID

import typer

from recorder.errors import BadSettings, PortTaken, RecorderError, SpoolBusy, SpoolError
from recorder.memory import give_back_what_is_freed, without_what_is_for_terminals
from recorder.settings import Settings, read_settings

BAD_SETTINGS, BAD_FOLDER, PORT_TAKEN, RESTART = 2, 3, 4, 5

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="camfleet's recorder: keeps what the cameras of a site send, without re-encoding, until the store has it.\n\n"
    "Settings come from the environment and from a .env file; BACKEND_API_URL and CLIENT_TOKEN are required. "
    "First try `recorder check`, then `recorder run`.",
)
EnvFile = Annotated[Path, typer.Option("--env-file", help="File with settings; the environment goes before it.")]

RecordingId = Annotated[UUID, typer.Argument(help="As the console and /status show it.")]


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from recorder.main import VERSION

        typer.echo(f"recorder {VERSION}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command."""
    # Footage is private, whoever starts the program: nobody else's account reads what it makes.
    os.umask(0o077)


@app.command()
def run(env_file: EnvFile = Path(".env")) -> None:
    """Record, upload and report until SIGTERM or Ctrl-C, which seals what is open and ends within 10 seconds.

    Exit codes: 0 stopped in order, 1 crashed (let the service manager restart
    it), 2 bad settings, 3 the data folder's path can't be used or another
    recorder has it, 4 the port of the status pages is taken, 5 stopped in
    order to be started again, as somebody asked for in the console.
    """
    settings = _settings(env_file)
    give_back_what_is_freed()
    with without_what_is_for_terminals():
        import structlog

        from recorder.logs import logging_to
        from recorder.main import run as run_recorder

    secrets = (settings.client_token.get_secret_value(), _held(settings))
    folder = settings.recording_base_dir / "logs"
    try:
        with logging_to(folder, level=settings.log_level, form=settings.log_format, secrets=secrets):
            try:
                is_restart = asyncio.run(run_recorder(settings))
            except RecorderError:
                raise
            except Exception:  # noqa: BLE001 - logged here, since only the log takes credentials out of tracebacks
                structlog.get_logger(__name__).exception("recorder_crashed")
                sys.exit(1)
    except SpoolError as error:
        _leave(str(error), BAD_FOLDER)
    except PortTaken as error:
        _leave(str(error), PORT_TAKEN)
    if is_restart:
        raise typer.Exit(RESTART)


@app.command()
def check(
    env_file: EnvFile = Path(".env"),
    cameras: Annotated[bool, typer.Option(help="Open each camera and wait for a keyframe.")] = True,
) -> None:
    """Try everything the recorder needs and say what to do about what fails; exit code 0 only if all is well.

    It records nothing and may run beside a running recorder (each camera is opened once more for a moment).
    """
    settings = _settings(env_file)
    import structlog

    # The findings say it all; log lines between them would only confuse.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if not asyncio.run(_check(settings, with_cameras=cameras)):
        raise typer.Exit(1)


@app.command("accept-disk")
def accept_disk(env_file: EnvFile = Path(".env")) -> None:
    """Say that the data disk was replaced for good: footage that was only on the old one counts as lost."""
    settings = _settings(env_file)
    from recorder.spool import Spool

    try:
        spool = Spool.open(settings.recording_base_dir)
        try:
            spool.accept_disk()
        finally:
            spool.close()
    except (SpoolError, OSError) as error:
        _leave(str(error), BAD_FOLDER)
    typer.echo("Accepted. Start the recorder.")


@app.command()
def hold(recording_id: RecordingId, env_file: EnvFile = Path(".env")) -> None:
    """Keep a recording's local files: no rule deletes them until it is released, not even on a full disk."""
    _at_the_site("hold", recording_id, _settings(env_file))


@app.command()
def release(recording_id: RecordingId, env_file: EnvFile = Path(".env")) -> None:
    """End a hold that was set by `recorder hold`. What the console holds is released there."""
    _at_the_site("release", recording_id, _settings(env_file))


def _at_the_site(action: Literal["hold", "release"], recording_id: UUID, settings: Settings) -> None:
    """In the spool itself or, if a recorder runs on it, through that."""
    from recorder.clock import SystemClock
    from recorder.site_holds import SiteHolds
    from recorder.spool import Spool

    try:
        with closing(Spool.open(settings.recording_base_dir)) as spool:
            holds = SiteHolds(spool, SystemClock())
            (holds.hold if action == "hold" else holds.release)(recording_id)
    except SpoolBusy:
        _ask_the_running_one(action, recording_id, settings)
    except (SpoolError, OSError) as error:
        _leave(str(error), BAD_FOLDER)
    except RecorderError as error:
        _leave(str(error), 1)
    typer.echo("Held." if action == "hold" else "Released.")


def _ask_the_running_one(action: str, recording_id: UUID, settings: Settings) -> None:
    import httpx

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.status_host, settings.status_host)  # noqa: S104 - compared only
    host = f"[{host}]" if ":" in host else host
    try:
        # The machine's own recorder: no proxy knows it.
        with httpx.Client(trust_env=False, timeout=30) as client:
            answer = client.post(f"http://{host}:{settings.status_port}/{action}/{recording_id}")
    except httpx.HTTPError as error:
        _leave(f"The recorder that runs here does not answer on port {settings.status_port}: {error}", 1)
    if answer.is_error:
        try:
            told = answer.json()["detail"]
        except (ValueError, LookupError, TypeError):
            told = f"The recorder that runs here answered {answer.status_code}."
        _leave(str(told), 1)


async def _check(settings: Settings, *, with_cameras: bool) -> bool:
    from recorder.check import findings

    is_good = True
    async for finding in findings(settings, with_cameras=with_cameras):
        is_good = is_good and finding.is_good
        typer.echo(f"{'✓' if finding.is_good else '✗'} {finding.step}: {finding.told}")
    return is_good


def _settings(env_file: Path) -> Settings:
    try:
        return read_settings(env_file)
    except BadSettings as error:
        _leave(str(error), BAD_SETTINGS)


def _held(settings: Settings) -> str:
    return settings.secrets_key.get_secret_value() if settings.secrets_key else ""


def _leave(told: str, code: int) -> NoReturn:
    typer.echo(told, err=True)
    raise typer.Exit(code)
