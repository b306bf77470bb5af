"""`control-plane drill`: what it takes to run one, and how it is shown."""

import asyncio
import uuid
from datetime import datetime, timedelta
from random import SystemRandom

import typer

from control_plane.drills.answers import DrillAnswer
from control_plane.drills.demuxing import ADVICE, can_demux
from control_plane.drills.drill import DrillPostponedError, drill
from control_plane.drills.published import share
from control_plane.drills.sampling import Wanted
from control_plane.events import COMMAND_LINE
from control_plane.models import Camera, Drill
from control_plane.prerequisites import StartError, command_database, open_footage
from control_plane.settings import Settings
from control_plane.stores import StoreUnavailableError


async def run(
    settings: Settings, samples: int, camera_id: uuid.UUID | None, since: datetime | None, *, minutes: int
) -> Drill:
    """One drill. Raises StartError, also where it can't be done to its end."""
    async with command_database(settings) as database_url, open_footage(settings, database_url) as footage:
        if camera_id is not None:
            async with footage.sessions() as session:
                if await session.get(Camera, camera_id) is None:
                    raise StartError("there is no such camera")
        try:
            return await drill(
                footage.sessions,
                footage.store,
                Wanted(samples, camera_id, since),
                COMMAND_LINE,
                is_demuxing=can_demux(),
                random=SystemRandom(),
                limit=asyncio.timeout(timedelta(minutes=minutes).total_seconds()),
            )
        except (StoreUnavailableError, DrillPostponedError) as error:
            raise StartError(f"{error}; the drill was not done, and nothing of it was published") from error


def show(done: Drill, *, as_json: bool) -> None:
    """Print what it found."""
    if as_json:
        typer.echo(DrillAnswer.of(done).model_dump_json())
        return
    for failure in done.failures:
        typer.echo(
            f"{failure['fault']}: {failure['object_name']}: {failure['detail']} (segment {failure['segment_id']})"
        )
    typer.echo(share(done))
    if not done.is_demuxed:
        typer.echo(f"not demuxed, only size and checksums were compared: {ADVICE}")
