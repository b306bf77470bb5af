"""The command `camera-simulator`."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from camera_simulator.control import LOOPBACK, Control
from camera_simulator.media import UnplayableError
from camera_simulator.options import parse_camera
from camera_simulator.server import CameraSimulator

app = typer.Typer(no_args_is_help=True, add_completion=False, help="RTSP cameras that can misbehave on command.")


@app.callback()
def main() -> None:
    """Makes `serve` a command of its own, so that others can join it."""


@app.command()
def serve(
    camera: Annotated[
        list[str],
        typer.Option(
            metavar="NAME[:KEY=VALUE,...]",
            help="A camera, e.g. yard:codec=h265,audio=aac,clock=live. May be given many times.",
        ),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="RTSP port; 0 takes a free one.")] = 8554,
    user: Annotated[str, typer.Option(help="User that cameras ask for; none lets everybody in.")] = "",
    password: Annotated[
        str, typer.Option(envvar="CAMERA_SIMULATOR_PASSWORD", help="Better in the environment: ps shows arguments.")
    ] = "",
    control_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="HTTP port for faults; without it there is none.")
    ] = None,
    control_host: Annotated[
        str, typer.Option(help="Address of that port. It has no password: never one that others reach.")
    ] = LOOPBACK,
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps generated media.")] = None,
) -> None:
    """Serves cameras until it is told to end (SIGTERM, SIGINT).

    Prints one JSON line when it is ready: {"cameras": [{"name", "url"}], "control": url or null}. Logs go to stderr.
    """
    structlog.configure(
        processors=[structlog.processors.TimeStamper(fmt="iso", utc=True), structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        specs = [parse_camera(each, user, password) for each in camera]
        asyncio.run(_serve(CameraSimulator(specs, host=host, port=port, cache=cache), control_host, control_port))
    except (ValueError, UnplayableError, OSError) as error:
        typer.echo(f"camera-simulator: {error}", err=True)
        raise typer.Exit(2) from error


async def _serve(simulator: CameraSimulator, control_host: str, control_port: int | None) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with simulator:
        control = Control(simulator)
        if control_port is not None:
            await control.open(control_port, control_host)
        cameras = [{"name": one.name, "url": simulator.url(one.name, credentials=False)} for one in simulator.cameras]
        typer.echo(json.dumps({"cameras": cameras, "control": control.url or None}))
        sys.stdout.flush()
        await stopped.wait()
        await control.close()
