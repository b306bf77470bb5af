"""`make kills`, `make power-cuts`, `make soak` and so on: tables on the terminal, figures in build/."""

import asyncio
import json
import random
from pathlib import Path
from typing import Annotated

import typer

from demo.grounds import ground
from trials.database import embedded_database
from trials.disks import NoLoopDevice
from trials.drain import drain_under_kills
from trials.kills import Killed, kill_again_and_again
from trials.mortal_site import Way
from trials.push import Pushed, push
from trials.replicas import Replicated, run_replicas
from trials.screen import console, show_drained, show_killed, show_pushed, show_replicated, show_soaked
from trials.soak import Soaked, soak

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Long runs, one at a time.")
_BUILD = Path("build")

Seed = Annotated[int | None, typer.Option(help="Repeats an earlier run's chance; it is printed at every start.")]


@app.callback()
def main() -> None:
    """Makes each trial a command of its own."""


@app.command()
def kills(
    times: Annotated[int, typer.Option(min=1)] = 200,
    seed: Seed = None,
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = _BUILD / "kills.json",
) -> None:
    """Kill a recorder under four recording cameras at random moments: what each kill costs."""
    _kill("kill -9", times, seed, file, cut_power=False)


@app.command()
def power_cuts(
    times: Annotated[int, typer.Option(min=1)] = 50,
    seed: Seed = None,
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = _BUILD / "power-cuts.json",
) -> None:
    """Cut the power of a recorder's disk under four recording cameras at random moments (root, Linux)."""
    _kill("power cut", times, seed, file, cut_power=True)


@app.command("soak")
def soak_command(
    minutes: Annotated[float, typer.Option(min=0.5)] = 30,
    cameras: Annotated[int, typer.Option(min=1, max=64)] = 16,
    segment_seconds: Annotated[int, typer.Option(min=2)] = 60,
    seed: Seed = None,
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = _BUILD / "soak.json",
) -> None:
    """Random faults of many cameras and two restarts: due time is footage and gaps, to the second."""
    seed = _seeded(seed)
    console.print(f"{minutes:g} minutes, {cameras} cameras, seed {seed}")
    with ground(file.with_suffix(""), empty=True) as folder:
        soaked = asyncio.run(_soaked(folder, cameras, 60 * minutes, seed, segment_seconds))
    file.write_text(json.dumps({"seed": seed, "minutes": minutes} | soaked.as_json(), indent=2) + "\n")
    show_soaked(soaked)
    if not soaked.holds:
        raise typer.Exit(1)


@app.command()
def replicas(
    minutes: Annotated[float, typer.Option(min=0.2)] = 10,
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = _BUILD / "replicas.json",
) -> None:
    """Two replicas of the control plane do background work under load, and one is killed in the middle of a job."""
    with ground(file.with_suffix(""), empty=True) as folder:
        replicated = asyncio.run(_replicated(folder, 60 * minutes))
    file.write_text(json.dumps({"minutes": minutes} | replicated.as_json(), indent=2) + "\n")
    show_replicated(replicated)
    if not replicated.holds:
        raise typer.Exit(1)


@app.command("push")
def push_command(
    recorders: Annotated[int, typer.Option(min=1)] = 2000,
    replicas: Annotated[int, typer.Option(min=1, max=8)] = 2,
    edits: Annotated[int, typer.Option(min=1)] = 100,
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = _BUILD / "push.json",
) -> None:
    """Recorders wait for news, each over a connection of its own, while cameras are edited: how long an edit takes."""
    with ground(file.with_suffix(""), empty=True) as folder:
        pushed = asyncio.run(_pushed(folder, recorders, replicas, edits))
    file.write_text(json.dumps(pushed.as_json(), indent=2) + "\n")
    show_pushed(pushed)
    if not pushed.holds:
        raise typer.Exit(1)


@app.command()
def drain(
    segments: Annotated[int, typer.Option(min=10)] = 1000,
    times: Annotated[int, typer.Option(min=1, help="Kills, of each kind as many.")] = 25,
    seed: Seed = None,
    file: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = _BUILD / "drain.json",
) -> None:
    """Kill recorder, control plane, database and bucket while a backlog drains: stored once, nothing deleted before."""
    seed = _seeded(seed)
    console.print(f"{segments} segments, {times} times kill -9, seed {seed}")
    drained = []
    for way in Way:
        with ground(file.with_suffix(""), empty=True) as folder:
            drained.append(asyncio.run(drain_under_kills(folder, way, segments, times, seed, console.print)))
    file.write_text(json.dumps({"seed": seed, "drains": [one.as_json() for one in drained]}, indent=2) + "\n")
    show_drained(drained)
    if not all(one.holds for one in drained):
        raise typer.Exit(1)


def _kill(what: str, times: int, seed: int | None, file: Path, *, cut_power: bool) -> None:
    seed = _seeded(seed)
    console.print(f"{times} times {what}, seed {seed}")
    try:
        with ground(file.with_suffix(""), empty=True) as folder:
            killed = asyncio.run(_killed(folder, times, seed, cut_power=cut_power))
    except NoLoopDevice as error:
        console.print(str(error))
        raise typer.Exit(2) from None
    file.write_text(json.dumps({"seed": seed} | killed.as_json(), indent=2) + "\n")
    show_killed(what, killed)
    if not killed.holds:
        raise typer.Exit(1)


async def _killed(folder: Path, times: int, seed: int, *, cut_power: bool) -> Killed:
    async with embedded_database(folder / "database") as database:
        return await kill_again_and_again(folder, database, times, seed, cut_power=cut_power, tell=console.print)


async def _replicated(folder: Path, seconds: float) -> Replicated:
    async with embedded_database(folder / "database") as database:
        return await run_replicas(folder, database, seconds, tell=console.print)


async def _pushed(folder: Path, recorders: int, replicas: int, edits: int) -> Pushed:
    async with embedded_database(folder / "database") as database:
        return await push(folder, database, recorders, replicas, edits, tell=console.print)


async def _soaked(folder: Path, cameras: int, seconds: float, seed: int, segment_seconds: int) -> Soaked:
    async with embedded_database(folder / "database") as database:
        return await soak(folder, database, cameras, seconds, seed, segment_seconds=segment_seconds, tell=console.print)


def _seeded(seed: int | None) -> int:
    return random.randrange(1 << 32) if seed is None else seed  # noqa: S311  # chance, not secrets


if __name__ == "__main__":
    app()
