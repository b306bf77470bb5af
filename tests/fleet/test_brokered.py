"""A bucket that only the control plane may write to: kills and outages in mid-upload, seen from both ends."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.proof import is_proven
from tests.fleet.conftest import Fleet
from tests.fleet.processes import until
from tests.postgres import Postgres
from tests.recorder.gcs import FaultKind, Gcs

UNIT = 256 * 1024


@pytest.mark.timeout(400)
async def test_a_control_plane_killed_and_a_database_restarted_in_mid_backlog_lose_and_double_nothing(
    brokered_fleet: Fleet, gcs: Gcs, postgres: Postgres, tmp_path: Path
) -> None:
    fleet = brokered_fleet
    await fleet.recorder.start()
    await fleet.record(segment_seconds=2)
    await until("the configuration has arrived", partial(fleet.stored, 1))
    await fleet.control_plane.stop()
    await until("four segments wait on disk", partial(fleet.has_backlog, 4))

    gcs.hold_after = len(gcs.puts) + 4
    await fleet.control_plane.start()
    await gcs.held.wait()
    await fleet.control_plane.kill()
    waiting = fleet.on_disk
    rows = await fleet.rows("SELECT id::text, state FROM segments")
    unproven = {row["id"] for row in rows if row["state"] != "stored"}
    assert unproven, "the backlog was being brought"
    assert unproven <= waiting, "a file was deleted before its receipt"
    await postgres.server.stop()
    gcs.hold_after = None
    gcs.hold.set()
    await postgres.server.start()
    await fleet.control_plane.start()

    await until("everything is stored", fleet.is_drained, seconds=90)
    segments = await fleet.segments()
    assert waiting <= {segment["id"] for segment in segments}
    await fleet.recorder.stop()
    assert_stored_once(await fleet.segments(), gcs, tmp_path)


@pytest.mark.timeout(400)
async def test_a_recorder_killed_in_mid_upload_goes_on_where_the_bucket_has_it(
    brokered_fleet: Fleet, gcs: Gcs, tmp_path: Path
) -> None:
    fleet = brokered_fleet
    # Of the first upload: what is there already?, a chunk of which half is kept, and the rest, which waits.
    gcs.faults.append(FaultKind.PERSISTS_LESS)
    gcs.hold_after = 2
    await fleet.recorder.start()
    await fleet.record(segment_seconds=4)
    async with asyncio.timeout(60):
        await gcs.held.wait()
    await fleet.recorder.kill()
    (begun,) = gcs.sessions.values()
    kept = len(begun.received)
    assert kept >= UNIT, "half of a chunk is persisted"

    gcs.hold_after = None
    gcs.hold.set()
    before = len(gcs.puts)
    await fleet.recorder.start()
    await until("the segment is stored", partial(fleet.stored, 2))
    assert not [told for told in gcs.puts[before:] if told.endswith(f"/{begun.size}") and told.startswith("bytes 0-")]
    await fleet.recorder.stop()
    await fleet.recorder.start()
    await until("everything is stored", fleet.is_drained)
    await fleet.recorder.stop()
    assert_stored_once(await fleet.segments(), gcs, tmp_path)


@pytest.mark.timeout(400)
async def test_a_recorder_whose_token_is_revoked_records_on_and_brings_everything_with_a_new_one(
    brokered_fleet: Fleet, gcs: Gcs, tmp_path: Path
) -> None:
    fleet = brokered_fleet
    await fleet.recorder.start()
    await fleet.record(segment_seconds=2)
    await until("footage arrives", partial(fleet.stored, 1))
    await fleet.chief.call("POST", f"clients/{fleet.client_id}/revoke-tokens/")
    await until("it records on", partial(fleet.has_backlog, 3))
    assert await fleet.recording_since()
    waiting = fleet.on_disk

    # Restarted with the revoked token it goes on by the configuration that it has.
    await fleet.recorder.stop()
    await fleet.recorder.start()
    await until("it records without a token", fleet.recording_since)

    fleet.recorder.env["CLIENT_TOKEN"] = (await fleet.chief.call("POST", f"clients/{fleet.client_id}/rotate-token/"))[
        "client_token"
    ]
    await fleet.recorder.stop()
    await fleet.recorder.start()
    await until("everything is stored", partial(is_stored, fleet, waiting))
    await fleet.recorder.stop()
    assert_stored_once([s for s in await fleet.segments() if s["state"] == "stored"], gcs, tmp_path)


async def is_stored(fleet: Fleet, ids: set[str]) -> bool:
    return ids <= {segment["id"] for segment in await fleet.segments() if segment["state"] == "stored"}


def assert_stored_once(segments: list[dict[str, Any]], gcs: Gcs, folder: Path) -> None:
    """The bucket holds exactly these segments, each with the bytes that were reported."""
    stored = [segment for segment in segments if segment["state"] == "stored"]
    for name, content in gcs.bodies.items():
        file = folder / "seen" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    assert {segment["object_name"] for segment in stored} <= set(gcs.bodies)
    assert len({segment["id"] for segment in stored}) == len({segment["object_name"] for segment in stored})
    assert [segment["id"] for segment in stored if not is_proven(segment, folder / "seen")] == []
