"""`make demo`: starts everything, plays the operator, shows what happens, and proves the footage at the end."""

import asyncio
import contextlib
import json
import secrets
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from demo import cameras as demo_cameras
from demo.cameras import DemoCamera
from demo.grounds import ground, require_free
from demo.operator import Operator, operator
from demo.options import stream_address, writable
from demo.processes import Child, DemoError, InterruptedDemoError, call, start
from demo.proof import CameraSummary, is_ok, summarize
from demo.ready import RecorderStatus, recorder_status, wait_until_healthy
from demo.screen import Screen, print_summary

console = Console()
BUILD = Path("build")
DEFAULT_DATA = BUILD / "demo"
LAST_SEGMENTS_SECONDS = 45.0


def main(
    seconds: Annotated[
        float | None, typer.Option("--for", help="End by itself after so many seconds of recording.", min=5)
    ] = None,
    camera: Annotated[
        str | None,
        typer.Option(
            help="A real camera (rtsp://USER:PASSWORD@HOST/PATH) instead of the simulated ones.",
            metavar="URL",
            callback=stream_address,
        ),
    ] = None,
    cameras: Annotated[int, typer.Option(help="How many simulated cameras.", min=1, max=64)] = 3,
    data: Annotated[
        Path | None,
        typer.Option(help=f"Keep everything in this folder (default: {DEFAULT_DATA}, emptied at the start)."),
    ] = None,
    port: Annotated[int, typer.Option(help="The control plane's port.", min=1, max=65535)] = 8000,
    recorder_port: Annotated[int, typer.Option(help="The recorder's port.", min=1, max=65535)] = 8001,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the summary to this file.", callback=writable)
    ] = None,
) -> None:
    """Run camfleet on this machine: database, control plane, recorder, cameras.

    Ctrl-C ends it. With --for it ends by itself: exit code 0 only if footage was recorded, uploaded and verified.
    """
    try:
        require_free({"--port": port, "--recorder-port": recorder_port})
        with ground(data or DEFAULT_DATA, empty=data is None) as folder:
            summary = asyncio.run(run(folder, seconds, camera, cameras, port, recorder_port))
    except InterruptedDemoError:
        console.print("Interrupted before everything was up.")
        return
    except DemoError as error:
        console.print("[bold red]The demo stopped:[/] ", end="")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    ok = is_ok(summary)
    print_summary(console, summary, ok=ok)
    if json_file is not None:
        json_file.write_text(json.dumps({"cameras": [line.as_json() for line in summary], "ok": ok}, indent=2) + "\n")
    if seconds is not None and not ok:
        raise typer.Exit(1)


async def run(
    folder: Path, seconds: float | None, camera: str | None, count: int, port: int, recorder_port: int
) -> list[CameraSummary]:
    """Start everything, record until it is enough, and end everything, in the order that loses nothing."""
    enough, at_once = stop_requested()
    store = folder / "bucket"
    store.mkdir(exist_ok=True)
    base_url = f"http://127.0.0.1:{port}"
    recorder_url = f"http://127.0.0.1:{recorder_port}"
    settings = control_plane_settings(folder, store, port)

    async with contextlib.AsyncExitStack() as children:
        simulator, sources = await demo_cameras.start(
            folder, camera, count, cache=(BUILD / "camera-simulator").resolve()
        )
        if simulator is not None:
            children.push_async_callback(simulator.end, seconds=10)
        console.print("starting the control plane ...")
        control_plane = await start("control plane", "control-plane", "serve", env=settings, folder=folder)
        children.push_async_callback(control_plane.end, seconds=20)
        await wait_until_healthy(f"{base_url}/health/ready", control_plane, enough, seconds=120)

        run_name = f"demo-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        password = secrets.token_urlsafe(12)
        await call(
            "control-plane", "create-operator", run_name, "--role", "admin", "--password-stdin",
            env=settings, folder=folder, text=password + "\n",
        )  # fmt: skip
        printed = await call(
            "control-plane", "create-api-key", run_name, "--role", "admin", env=settings, folder=folder
        )
        api_key = printed.strip().splitlines()[-1]

        async with operator(base_url, api_key) as chief:
            fleet, token = await demo_cameras.register(chief, run_name, sources)
            recorder = await start(
                "recorder", "recorder", "run",
                env={
                    "BACKEND_API_URL": base_url,
                    "CLIENT_TOKEN": token,
                    "RECORDING_BASE_DIR": str(folder / f"recorder-{run_name}"),
                    "STORAGE_URL": store.as_uri(),
                    "STATUS_PORT": str(recorder_port),
                    "SYNC_INTERVAL_SECONDS": "5",
                    "HEARTBEAT_INTERVAL_SECONDS": "5",
                },
                folder=folder,
            )  # fmt: skip
            children.push_async_callback(recorder.end, seconds=15)
            await wait_until_healthy(f"{recorder_url}/health", recorder, enough, seconds=60)

            console.print(f"\nConsole   [bold]{base_url}/admin/[/]", highlight=False)
            console.print(f"Login     [bold]{run_name}[/] / [bold]{password}[/]", highlight=False)
            console.print(f"Recorder  {recorder_url}/status", highlight=False)
            console.print(f"Footage   {store}\nLogs      {folder}\n", highlight=False)
            running = [child for child in (simulator, control_plane, recorder) if child is not None]
            return await record(chief, fleet, recorder_url, store, running, enough, at_once, seconds)


async def record(
    chief: Operator,
    fleet: list[DemoCamera],
    recorder_url: str,
    store: Path,
    running: list[Child],
    enough: asyncio.Event,
    at_once: asyncio.Event,
    seconds: float | None,
) -> list[CameraSummary]:
    """Open the schedules, show what happens, close them when it is enough, wait for the last segment, prove all."""
    # One camera's schedule opens only after a while; in a short run, early enough to be seen.
    soon = timedelta(seconds=20 if seconds is None else min(20, seconds / 3))
    fleet = await demo_cameras.open_schedules(chief, fleet, soon)
    deadline = None if seconds is None else time.monotonic() + seconds
    with Screen(console) as screen:
        while not enough.is_set() and (deadline is None or time.monotonic() < deadline):
            await show(screen, chief, fleet, running, await recorder_status(recorder_url))
            left = 1.0 if deadline is None else min(1.0, max(0.0, deadline - time.monotonic()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), left)

        ended_at = datetime.now(UTC)
        await demo_cameras.close_schedules(chief, fleet)
        screen.note(
            "stopped; waiting for the last segments to be sealed, uploaded and proven; Ctrl-C ends the wait ..."
        )
        patience = time.monotonic() + LAST_SEGMENTS_SECONDS
        while not at_once.is_set() and time.monotonic() < patience:
            status = await recorder_status(recorder_url)
            await show(screen, chief, fleet, running, status)
            if status.is_idle:
                break
            await asyncio.sleep(0.5)
    summary = [await figures(chief, camera, ended_at, store) for camera in fleet]
    for demo_camera, line in zip(fleet, summary, strict=True):
        if not line.is_ok and (reason := screen.reasons.get(demo_camera.id)):
            screen.note(f"{line.name}: {reason}")
    return summary


async def show(
    screen: Screen, chief: Operator, fleet: list[DemoCamera], running: list[Child], status: RecorderStatus
) -> None:
    """Show every camera's figures; raise DemoError if a service has ended."""
    for child in running:
        child.raise_if_ended()
    now = datetime.now(UTC)
    screen.show([(camera.id, await figures(chief, camera, now)) for camera in fleet], status)


async def figures(chief: Operator, camera: DemoCamera, until: datetime, store: Path | None = None) -> CameraSummary:
    """One camera's figures; with `store` every stored segment is read and proven."""
    due = [interval for schedule in camera.schedules for interval in schedule.due(until)]
    segments = await chief.segments(camera.id, camera.created_at)
    return await asyncio.to_thread(summarize, camera.name, due, segments, store)


def control_plane_settings(folder: Path, store: Path, port: int) -> dict[str, str]:
    """The control plane's environment; without a DATABASE_URL it runs an embedded PostgreSQL."""
    return {"DATA_DIR": str(folder / "control-plane"), "STORAGE_URL": store.as_uri(), "PORT": str(port)}


def stop_requested() -> tuple[asyncio.Event, asyncio.Event]:
    """An event that Ctrl-C, SIGTERM and a closed terminal set, and one for whoever presses Ctrl-C again."""
    enough, at_once = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, enough.set)

    def interrupted() -> None:
        (at_once if enough.is_set() else enough).set()

    loop.add_signal_handler(signal.SIGINT, interrupted)
    return enough, at_once
