"""A benchmark's figures, beside what they are compared with."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Result:
    """One figure. `ratio` is value / reference. The goal is the most that it may be, or without a ratio the value;
    of throughput the least.
    """

    name: str
    value: float
    unit: str
    reference: float | None = None
    ratio: float | None = None
    goal: float | None = None
    holds: bool | None = None


def compared(name: str, value: float, unit: str, reference: float, goal: float | None = None) -> Result:
    """A figure beside its reference; with a goal, the ratio must be at most that."""
    ratio = value / reference
    return Result(
        name, round(value, 3), unit, round(reference, 3), round(ratio, 3), goal, None if goal is None else ratio <= goal
    )


def at_least(name: str, value: float, unit: str, reference: float, goal: float | None = None) -> Result:
    """A figure beside its reference, of which more is better; with a goal, the ratio must be at least that."""
    ratio = value / reference
    return Result(
        name, round(value, 3), unit, round(reference, 3), round(ratio, 3), goal, None if goal is None else ratio >= goal
    )


def limited(name: str, value: float, unit: str, goal: float, reference: float | None = None) -> Result:
    """A figure that must itself be at most its goal; the reference is there to read it by."""
    beside = None if reference is None else round(reference, 3)
    return Result(name, round(value, 3), unit, beside, goal=goal, holds=value <= goal)


def write(results: Iterable[Result], file: Path) -> None:
    """Write the figures as a JSON list."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(result) for result in results], indent=2) + "\n")


def show(results: Iterable[Result], console: Console) -> None:
    """Print the figures as a table."""
    table = Table()
    table.add_column("Benchmark", overflow="fold")  # never cut: whoever repeats one needs all of its name
    for title in ("Value", "Reference", "Ratio", "Goal"):
        table.add_column(title, justify="right")
    table.add_column("Holds")
    for result in results:
        table.add_row(
            result.name,
            f"{result.value:g} {result.unit}",
            "-" if result.reference is None else f"{result.reference:g} {result.unit}",
            "-" if result.ratio is None else f"{result.ratio:.2f}",
            "-" if result.goal is None else f"{result.goal:g}",
            {None: "-", True: "[green]yes[/]", False: "[red]no[/]"}[result.holds],
        )
    console.print(table)
