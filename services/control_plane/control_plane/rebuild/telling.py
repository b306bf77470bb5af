"""The audit events of a rebuild: what it made of which camera, and which of its chain's numbers it did not find."""

import uuid
from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.custody.numbers import Range, runs, without
from control_plane.custody.rebuilt import INDEX_REBUILT, ChainKey, told
from control_plane.events import COMMAND_LINE, record_event
from control_plane.models import Segment
from control_plane.rebuild.objects import Described


async def tell_rebuilt(session: AsyncSession, found: Sequence[Described]) -> None:
    """An event for each camera of which these are; their rows are there already."""
    cameras: dict[uuid.UUID, list[Described]] = defaultdict(list)
    for each in found:
        cameras[each.description.camera_id].append(each)
    for camera_id, some in cameras.items():
        chains = []
        for (client_id, chain_id), numbers in _chains(some).items():
            absent = await _absent(session, camera_id, (client_id, chain_id), numbers)
            chains.append(told(client_id, chain_id, runs(numbers), absent))
        detail = {
            "segments": len(some),
            "from": min(each.description.start for each in some),
            "to": max(each.description.end for each in some),
            "chains": chains,
        }
        record_event(session, "camera", camera_id, INDEX_REBUILT, COMMAND_LINE, detail)


def _chains(found: Sequence[Described]) -> dict[ChainKey, list[int]]:
    chains: dict[ChainKey, list[int]] = defaultdict(list)
    for each in found:
        about = each.description
        if about.recorder_id is not None and about.sequence is not None:
            chains[each.client_id, about.recorder_id].append(about.sequence)
    return chains


async def _absent(
    session: AsyncSession, camera_id: uuid.UUID, chain: ChainKey, numbers: Sequence[int]
) -> Sequence[Range]:
    """The numbers up to the highest of these that have no row, from the next lower one that has."""
    mine = (Segment.camera_id == camera_id, Segment.client_id == chain[0], Segment.chain_id == chain[1])
    below = await session.scalar(select(func.max(Segment.sequence)).where(*mine, Segment.sequence < min(numbers))) or 0
    within = select(Segment.sequence).where(*mine, Segment.sequence > below, Segment.sequence <= max(numbers))
    rows = [number for number in await session.scalars(within) if number is not None]
    return without([(below + 1, max(numbers))], runs(rows))
