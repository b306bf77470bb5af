"""`make bench`: a table on the terminal, and build/bench.json."""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from bench.api.measure import GOALS, api
from bench.backlog import backlog
from bench.coverage import CAMERAS as COVERED_CAMERAS
from bench.coverage import coverage
from bench.depacketizing import depacketizing
from bench.ethernet import NoEthernetError
from bench.fast_forward import LATE, fast_forward
from bench.fleet_look import CAMERAS_EACH, RECORDERS, fleet_look
from bench.lists import LISTS, SIZES, lists
from bench.muxing import muxing
from bench.rate_limit import rate_limit
from bench.rebuilding import rebuild_index
from bench.reconnect import reconnect
from bench.recording import (
    COST_CAMERAS,
    LAG_CAMERAS,
    recording,
    recording_and_uploading,
    recording_over_ethernet,
)
from bench.results import Result, show, write
from bench.start_up import start_up
from bench.upload import upload
from bench.years import years

BENCHMARKS: dict[tuple[str, ...], Callable[[Path], Coroutine[Any, Any, list[Result]]]] = {
    **{
        (
            f"recorder.cpu_per_camera.{cameras}",
            f"recorder.memory_per_camera.{cameras}",
            *([f"recorder.loop_lag.{cameras}"] if cameras == LAG_CAMERAS else []),
        ): partial(recording, cameras=cameras)
        for cameras in (1, 4, 16, 64)
    },
    (f"recorder.cpu_per_camera_with_upload.{COST_CAMERAS}",): recording_and_uploading,
    (f"recorder.cpu_per_camera_over_ethernet.{COST_CAMERAS}",): recording_over_ethernet,
    ("recorder.start_up.500000",): partial(start_up, segments=500_000),
    (f"recorder.fast_forward.{LATE}",): fast_forward,
    ("recorder.spool_file.10_years", "recorder.spool_log.10_years", "recorder.spool_queries.10_years"): years,
    ("recorder.depacketizing",): depacketizing,
    ("recorder.muxing",): muxing,
    ("recorder.reconnect",): reconnect,
    ("upload.throughput", "upload.throughput.beside_bytes_in_memory", "upload.cpu_per_gb"): upload,
    (
        "upload.backlog.line",
        "upload.backlog.segments",
        "upload.backlog.requests",
        "upload.backlog.transactions",
        "upload.backlog.written_rows",
        "upload.backlog.memory",
        "upload.backlog.heartbeats",
        "upload.backlog.out_of_turn",
    ): backlog,
    ("upload.rate_limit", "upload.rate_limit.off"): rate_limit,
    tuple(GOALS): api,
    (
        "coverage.camera_year",
        "coverage.camera_year.reckoned",
        "coverage.days_reckoned",
        f"coverage.fleet_day.{COVERED_CAMERAS}",
    ): coverage,
    tuple(f"lists.{name}.{size}" for name in LISTS for size in SIZES[1:]): lists,
    (f"liveness.look.{RECORDERS}", f"liveness.first_windows.{RECORDERS * CAMERAS_EACH}"): fleet_look,
    ("storage.rebuild_index", "storage.rebuild_index.compared"): rebuild_index,
}


def main(
    prefix: Annotated[str, typer.Argument(help="Run the benchmarks whose name starts so.")] = "",
    file: Annotated[Path, typer.Option(help="Where the figures go.")] = Path("build/bench.json"),
) -> None:
    """Measure what camfleet costs, with the reference beside it."""
    console = Console()
    results: list[Result] = []
    asked = {names: benchmark for names, benchmark in BENCHMARKS.items() if any(n.startswith(prefix) for n in names)}
    if not asked:
        console.print(f"there is no benchmark whose name starts with {prefix!r}")
        raise typer.Exit(2)
    for names, benchmark in asked.items():
        console.print(f"measuring {', '.join(names)} ...", highlight=False)
        with tempfile.TemporaryDirectory(prefix="camfleet-bench-") as folder:
            try:
                results += asyncio.run(benchmark(Path(folder)))
            except NoEthernetError as error:
                console.print(f"{', '.join(names)} can't be measured here: {error}", highlight=False)
    write(results, file)
    show(results, console)


if __name__ == "__main__":
    typer.run(main)
