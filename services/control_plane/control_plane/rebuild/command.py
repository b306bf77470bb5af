"""`control-plane rebuild-index`: what it takes to run one, and how its findings are shown."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import typer

from control_plane.prerequisites import StartError, command_database, open_footage
from control_plane.rebuild.findings import Finding, Kind, Summary
from control_plane.rebuild.index import Rebuild
from control_plane.rebuild.moving import Moved, note_moved
from control_plane.settings import Settings
from control_plane.stores import StoreUnavailableError

_SHOWN_OF_A_KIND = 20
"""For a person; a program gets all of them."""


async def run(
    settings: Settings, url: str, tell: Callable[[Finding], None], *, is_dry: bool, with_checksums: bool
) -> Summary:
    """One rebuild from the store at `url`, or the service's own. Raises StartError, also where the store fails."""
    summary, reason = Summary(tell), ""
    async with (
        command_database(settings) as database_url,
        open_footage(settings, database_url, storage_url=url) as footage,
    ):
        rebuild = Rebuild(
            footage.sessions,
            footage.store,
            summary,
            clock=lambda: datetime.now(UTC),
            is_dry=is_dry,
            with_checksums=with_checksums,
        )
        try:
            await rebuild.run()
        except* StoreUnavailableError as group:
            reason = str(_first(group))
    if reason:
        raise StartError(f"{reason}; run it again, it goes on from here")
    return summary


async def run_moved(settings: Settings, old_url: str) -> Moved:
    """Note what was moved from `old_url` to the service's own store. Raises StartError."""
    async with (
        command_database(settings) as database_url,
        open_footage(settings, database_url, storage_url="") as footage,
    ):
        old = old_url.rstrip("/")
        if old == footage.store.url:
            raise StartError(f"{old} is where STORAGE_URL leads: set STORAGE_URL to the new store first")
        try:
            return await note_moved(footage.sessions, footage.store, old)
        except StoreUnavailableError as error:
            raise StartError(f"{error}; run it again, it goes on from here") from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def shown(*, as_json: bool) -> tuple[Callable[[Finding], None], Callable[[Summary], None]]:
    """How a finding is printed, and how the end is."""
    return (_print_as_json, _print_counts_as_json) if as_json else (_Lines().print, _print_counts)


class _Lines:
    """The first findings of each kind: a wrong store would have millions."""

    def __init__(self) -> None:
        self._printed: Counter[Kind] = Counter()

    def print(self, finding: Finding) -> None:
        """A line, or nothing."""
        self._printed[finding.kind] += 1
        if self._printed[finding.kind] > _SHOWN_OF_A_KIND:
            return
        differing = [f"{name} {row} in the database, {here} here" for name, (row, here) in finding.differences.items()]
        told = "; ".join(text for text in (finding.detail, *differing) if text)
        typer.echo(f"{finding.kind}: {finding.object_name}" + (f": {told}" if told else ""))
        if self._printed[finding.kind] == _SHOWN_OF_A_KIND:
            typer.echo(f"{finding.kind}: there may be more; --json lists all, and the count is below")


def _print_counts(summary: Summary) -> None:
    for name, count in summary.as_counts().items():
        typer.echo(f"{name.replace('_', ' ')}: {count}")


def _print_as_json(finding: Finding) -> None:
    differences = {name: {"database": row, "object": here} for name, (row, here) in finding.differences.items()}
    told = {"kind": finding.kind, "object_name": finding.object_name, "detail": finding.detail}
    typer.echo(json.dumps({**told, "differences": differences}, default=str))


def _print_counts_as_json(summary: Summary) -> None:
    typer.echo(json.dumps(summary.as_counts()))
