"""What is known of a chain since the index was rebuilt: which numbers were in the store then, and which were not."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from control_plane.custody.numbers import Range, merged, without
from control_plane.models import Event

INDEX_REBUILT = "camera.index_rebuilt"
ChainKey = tuple[uuid.UUID, uuid.UUID]
"""Recorder and chain."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A chain that was, or a part of it. What the database knew of the rest went with it."""

    at: datetime
    """The last time."""
    highest: int
    """Of the numbers that were found."""
    absent: Sequence[Range]
    """Numbers below it that had no object and no row. Deleted by retention, given up or removed: nobody can tell."""


def told(client_id: uuid.UUID, chain_id: uuid.UUID, numbers: Sequence[Range], absent: Sequence[Range]) -> object:
    """As it is written into an event's `chains`."""
    return {"client_id": client_id, "chain_id": chain_id, "numbers": numbers, "absent": absent}


def rebuilt_chains(events: Iterable[Event]) -> Mapping[ChainKey, Rebuilt]:
    """What the events of a camera say together: a later one may have found what an earlier one missed."""
    parts: dict[ChainKey, list[tuple[datetime, Sequence[Range], Sequence[Range]]]] = defaultdict(list)
    for event in events:
        for chain in event.detail.get("chains", []):
            key = (uuid.UUID(chain["client_id"]), uuid.UUID(chain["chain_id"]))
            parts[key].append((event.occurred_at, _ranges(chain["numbers"]), _ranges(chain["absent"])))
    return {key: _together(of_chain) for key, of_chain in parts.items()}


def _together(parts: Sequence[tuple[datetime, Sequence[Range], Sequence[Range]]]) -> Rebuilt:
    numbers = merged(each for _, found, _ in parts for each in found)
    absent = merged(each for _, _, missed in parts for each in missed)
    return Rebuilt(max(at for at, _, _ in parts), numbers[-1][1], without(absent, numbers))


def _ranges(told: Sequence[Any]) -> Sequence[Range]:
    return [(int(first), int(last)) for first, last in told]
