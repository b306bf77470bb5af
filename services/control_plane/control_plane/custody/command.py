"""`control-plane verify` and `export`: what they ask for and what they print."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.custody.exports import prepare_export, unfolded
from control_plane.custody.findings import Tally
from control_plane.custody.verification import verify
from control_plane.errors import Invalid, NotFound
from control_plane.events import COMMAND_LINE
from control_plane.models import Camera
from control_plane.prerequisites import StartError, command_database, open_footage, open_services
from control_plane.settings import Settings
from control_plane.stores import StoreUnavailableError


async def run_verify(
    settings: Settings,
    camera: str,
    start: str,
    end: str,
    *,
    with_bytes: bool,
    as_json: bool,
    tell: Callable[[str], None],
) -> bool:
    """Look through a camera's footage and tell what differs; whether nothing does. Raises StartError, RefusedError."""
    period = moment("from", start), moment("until", end)
    if period[0] >= period[1]:
        raise Invalid("until", "must be after --from")
    async with command_database(settings) as url, open_footage(settings, url) as footage:
        camera_id, name = await named_camera(footage.sessions, camera)
        tally = Tally()
        try:
            async for finding in verify(
                footage.sessions,
                footage.store,
                camera_id,
                *period,
                tally,
                now=datetime.now(UTC),
                with_bytes=with_bytes,
            ):
                tell(json.dumps(finding.document()) if as_json else str(finding))
        except StoreUnavailableError as error:
            raise StartError(f"not verified: {error}") from None
    if as_json:
        summary = {"camera_id": str(camera_id), "from": period[0].isoformat(), "until": period[1].isoformat()}
        counts = {"segments": tally.segments, "objects": tally.objects, "bytes_read": tally.bytes_read}
        tell(json.dumps(summary | counts | {"problems": tally.problems, "notes": tally.notes, "chains": tally.chains}))
        return not tally.problems
    for chain in tally.chains:
        tell(_end(chain))
    how = f"all {tally.bytes_read} bytes of them hashed" if with_bytes else "by size and CRC32C"
    result = "NOT as recorded" if tally.problems else "as recorded"
    tell(
        f"{name}: {tally.segments} segments, {tally.objects} objects compared ({how}), "
        f"{tally.problems} problems: {result}"
    )
    return not tally.problems


async def run_export(
    settings: Settings, camera: str, start: str, end: str, folder: Path, *, tell: Callable[[str], None]
) -> None:
    """Export a camera's footage into a new folder. Raises StartError, RefusedError."""
    period = moment("from", start), moment("until", end)
    if folder.exists():  # noqa: ASYNC240 - a command has nothing else to do meanwhile
        raise StartError(f"{folder} exists already: name a folder that doesn't")
    async with command_database(settings) as url, open_services(settings, url) as services:
        camera_id, name = await named_camera(services.sessions, camera)
        export = await prepare_export(services, camera_id, *period, COMMAND_LINE, datetime.now(UTC))
        try:
            files = [file async for file in unfolded(export, services.store, folder)]
        except (StoreUnavailableError, OSError) as error:
            raise StartError(f"the export to {folder} is not whole: {error}") from None
    tell(
        f"{name}: {len(files)} of {len(export.files)} segments in {folder}, check them with: python3 {folder}/verify.py"
    )
    tell(f"SHA-256 of the manifest: {export.sha256}")


async def named_camera(sessions: async_sessionmaker[AsyncSession], camera: str) -> tuple[uuid.UUID, str]:
    """The camera with this id. Raises Invalid, NotFound."""
    try:
        camera_id = uuid.UUID(camera)
    except ValueError:
        raise Invalid("camera", "must be a camera's id, as its page in the console shows") from None
    async with sessions() as session:
        found = await session.get(Camera, camera_id)
    if found is None:
        raise NotFound(f"There is no camera {camera_id}.")
    return camera_id, found.name


def moment(option: str, text: str) -> datetime:
    """An instant; without an offset it is UTC. Raises Invalid."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid(option, "must be an instant as in 2026-03-01T20:00:00Z, or a day") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _end(chain: dict[str, object]) -> str:
    head = chain["head"]
    if not isinstance(head, dict):
        return f"chain {chain['chain_id']}: its recorder has told nothing of it"
    return (
        f"chain {chain['chain_id']}: ends with #{head['sequence']} {head['segment_id']}, link {head['link_sha256']}, as"
        f" its recorder told at {head['told_at']}"
    )
