"""Which streams are read when there are more than the machine may carry: pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from recorder.wanted import Stream


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who is read, and who would be if there were room."""

    streams: tuple[Stream, ...]
    refused: frozenset[UUID]
    """Cameras that are due and have no place."""


def admitted(
    due: Mapping[Stream, datetime], ahead: Iterable[Stream], running: Collection[UUID], limit: int
) -> Admitted:
    """Those that are `due` come first, whoever runs already before whoever began earlier; then those read `ahead`.

    `due` says since when each is. Nobody who records is ever put out by another.
    """
    ordered = sorted(due, key=lambda stream: (stream.camera_id not in running, due[stream], str(stream.camera_id)))
    cameras = {stream.camera_id for stream in due}
    waiting = (stream for stream in ahead if stream.camera_id not in cameras)
    ordered += sorted(waiting, key=lambda stream: (stream.camera_id not in running, str(stream.camera_id)))
    refused = frozenset(stream.camera_id for stream in ordered[limit:]) & cameras
    return Admitted(tuple(ordered[:limit]), refused)
