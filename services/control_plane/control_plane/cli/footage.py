"""What is stored: looked into, proven, given out, and known again."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from control_plane.cli.running import run_to_end, settings_of_environment


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
    summary = run_to_end(run(settings_of_environment(), from_url, tell, is_dry=dry_run, with_checksums=checksums))
    told(summary)
    if summary.differs:
        raise typer.Exit(3)


def moved_store(
    from_url: Annotated[str, typer.Option("--from", help="The old store, as in gs://BUCKET or file:///FOLDER.")],
) -> None:
    """Note that footage was moved from another store to that of STORAGE_URL: copied, or its folder mounted elsewhere.

    A segment counts as moved where the store has its object with the same name and size, and in a bucket with the same
    CRC32C. Moves nothing itself; safe to repeat. Ends with 0 if nothing is left in the old store, else with 3.
    """
    from control_plane.rebuild.command import run_moved

    moved = run_to_end(run_moved(settings_of_environment(), from_url))
    typer.echo(f"{moved.segments} segments noted as moved, {moved.left} still in {from_url}")
    if moved.left:
        raise typer.Exit(3)


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

    done = run_to_end(
        run(settings_of_environment(), samples, camera, since.replace(tzinfo=UTC) if since else None, minutes=minutes)
    )
    show(done, as_json=as_json)
    if done.failures:
        raise typer.Exit(1)


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

    run_to_end(run_export(settings_of_environment(), camera, start, until, to, tell=typer.echo))


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

    if not run_to_end(
        run_verify(
            settings_of_environment(), camera, start, until, with_bytes=with_bytes, as_json=as_json, tell=typer.echo
        )
    ):
        raise typer.Exit(1)
