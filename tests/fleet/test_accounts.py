"""Due time is recorded time plus gaps with their causes: nothing is missing without anybody knowing."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from demo.proof import Stretch, common, merged, seconds
from tests.fleet.conftest import Fleet
from tests.fleet.processes import is_past, moment, until

SMALLEST = timedelta(seconds=0.25)
"""Shorter holes are not worth a row; see recorder/coverage.py."""
DOWN = timedelta(seconds=3)


@pytest.mark.timeout(400)
async def test_every_second_that_was_due_is_footage_or_a_gap_with_its_cause(fleet: Fleet) -> None:
    camera = fleet.simulator.camera("yard")
    await fleet.recorder.start()
    await fleet.record(segment_seconds=2)
    (first, *_) = await until("footage arrives", partial(fleet.stored, 1))

    gone = datetime.now(UTC)
    camera.refuse(503)
    camera.drop()
    await camera.wait_for_request("OPTIONS", 503)
    back = datetime.now(UTC)
    camera.resume()
    await until("the camera is recorded again", partial(fleet.stored_after, back))

    killed = datetime.now(UTC)
    await fleet.recorder.kill()
    await until("some seconds without a recorder", partial(is_past, killed + DOWN))
    started = datetime.now(UTC)
    await fleet.recorder.start()
    await until("footage of the second run", partial(fleet.stored_after, started))
    due = (moment(first["started_at"]), datetime.now(UTC))
    await until("all that was due is known", partial(is_known, fleet, due))

    gaps, footage = await accounts(fleet)
    stretches = [(gap["started_at"], gap["ended_at"]) for gap in gaps]
    assert seconds(common(merged(stretches), footage)) <= SMALLEST.total_seconds() * len(gaps), "missing and there"
    assert missing(gaps, {"camera_unreachable", "stream_stalled"}, (gone, back)) >= seconds([(gone, back)]) - 1
    assert missing(gaps, {"recorder_down"}, (killed, started)) >= DOWN.total_seconds() - 0.5
    assert all(gap["detail"] for gap in gaps)


def missing(gaps: list[dict[str, Any]], causes: set[str], during: Stretch) -> float:
    """The seconds of `during` that are known as missing, all of them for one of the causes."""
    of_it = [gap for gap in gaps if gap["started_at"] < during[1] and gap["ended_at"] > during[0]]
    assert {gap["cause"] for gap in of_it} <= causes
    return seconds(common([(gap["started_at"], gap["ended_at"]) for gap in of_it], [during]))


async def is_known(fleet: Fleet, due: Stretch) -> bool:
    """Whether no hole is left between footage and gaps."""
    gaps, footage = await accounts(fleet)
    known = common(merged([*footage, *((gap["started_at"], gap["ended_at"]) for gap in gaps)]), [due])
    ends = [due[0], *(end for _, end in known)]
    starts = [*(start for start, _ in known), due[1]]
    return all(start - end <= SMALLEST for end, start in zip(ends, starts, strict=True))


async def accounts(fleet: Fleet) -> tuple[list[dict[str, Any]], list[Stretch]]:
    """The gaps and the footage that the control plane knows of."""
    gaps = await fleet.rows("SELECT cause, detail, started_at, ended_at FROM gaps ORDER BY started_at")
    segments = await fleet.segments()
    return gaps, merged([(moment(segment["started_at"]), moment(segment["ended_at"])) for segment in segments])
