"""A backlog that is brought to the store: under kills of everything, and after an outage. All is real."""

from pathlib import Path

import pytest

from bench.backlog import measured
from recorder.settings import UploadOrder
from trials.drain import drain_under_kills
from trials.mortal_site import CAMERAS, Way


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("way", "seed"), [(Way.BROKERED, 11), (Way.FOLDER, 12)])
async def test_a_backlog_is_stored_once_and_nothing_deleted_before_whatever_is_killed(
    way: Way, seed: int, tmp_path: Path
) -> None:
    drained = await drain_under_kills(tmp_path, way, segments=60, kills=5, seed=seed)
    assert drained.faults == []
    assert sum(drained.kills.values()) == 5
    assert set(drained.kills) >= {"recorder", "control plane", "postmaster", "backend"}
    assert drained.looks > 1, "what went was looked for while the others waited"


@pytest.mark.timeout(400)
@pytest.mark.parametrize("order", [UploadOrder.NEWEST, UploadOrder.OLDEST])
async def test_after_an_outage_the_backlog_drains_in_turn_in_batches_and_with_few_writes(
    order: UploadOrder, tmp_path: Path
) -> None:
    drain = await measured(tmp_path, segments=160, limit_kbit=8000, order=order)
    assert drain.strays == []
    # What is under way, and one look at the disk.
    assert drain.apart <= 16 * CAMERAS
    assert drain.requests <= 1
    # Offered, a session, stored, the session gone; and a few sessions that were opened twice.
    assert drain.footage_rows <= 4.5
    assert drain.worst_bytes <= drain.waiting_bytes * 1.5
