"""Sealed segments leave the spool for the store, also after a restart, and in a fair order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from camfleet_contract.uploading import Fetch, Uploading
from recorder.backoff import Backoff
from recorder.clock import SystemClock
from recorder.control_plane import ControlPlane
from recorder.errors import StorageUnavailable
from recorder.offers import Offers, name_of
from recorder.reports import Reports
from recorder.spool import Segment, SegmentState, Spool
from recorder.storage.brokered import Brokered
from recorder.storage.files import Folder
from recorder.storage.gcs import Bucket
from recorder.storage.interface import SessionMemory, Storage, Upload
from recorder.storage.patience import Patience
from recorder.turns import Turns
from recorder.uplink import Uplink
from recorder.uploads import Uploads
from recorder.vault import Vault
from tests.recorder.control_plane import FakeControlPlane
from tests.recorder.gcs import UNIT, FaultKind, Gcs
from tests.recorder.rig import config
from tests.recorder.spooled import NOON, begun, sealed
from tests.recorder.waiting import LIMIT_SECONDS, until

QUICK = Backoff(timedelta(milliseconds=1), timedelta(milliseconds=5))
PATIENCE = Patience(attempts=3, backoff=QUICK)
TICK = timedelta(milliseconds=20)
AHEAD = 4


class Progress:
    """Told when an upload ends."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def __call__(self) -> None:
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def uploading(
    spool: Spool,
    store: Storage,
    vault: Vault,
    progress: Progress,
    parallel: int = 2,
    newest_first: bool = True,
    uplink: Uplink | None = None,
    backoff: Backoff = QUICK,
) -> AsyncIterator[Uploads]:
    clock = SystemClock()
    uplink = uplink or Uplink(clock)
    turns = Turns(spool, uplink, clock=clock, newest_first=newest_first)
    uploads = Uploads(
        spool,
        store,
        vault,
        clock=clock,
        uplink=uplink,
        turns=turns,
        parallel=parallel,
        ahead=AHEAD,
        on_uploaded=progress,
        backoff=backoff,
        poll=TICK,
    )
    uplink.on_opening = uploads.wake
    task = asyncio.create_task(uploads.run())
    try:
        yield uploads
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def bucket(client: httpx.AsyncClient, gcs: Gcs) -> Bucket:
    gcs.needs_token = False
    return Bucket(client, gcs.bucket, None, chunk_bytes=UNIT, patience=PATIENCE, api_root=gcs.root)


def state(spool: Spool, segment: Segment) -> SegmentState | None:
    held = spool.segments.get(segment.id)
    return held.state if held else None


async def test_segments_reach_a_folder(tmp_path: Path, data_spool: Spool, vault: Vault) -> None:
    store = tmp_path / "store"
    store.mkdir()
    segments = [sealed(data_spool, begun(data_spool, uuid7())) for _ in range(5)]
    progress = Progress()
    async with uploading(data_spool, Folder(store), vault, progress):
        await progress.until(lambda: all(state(data_spool, s) is SegmentState.UPLOADED for s in segments))
    for segment in segments:
        assert (store / name_of(segment)).read_bytes() == data_spool.segments.file(segment).read_bytes()


async def test_an_upload_that_was_killed_midway_goes_on_where_it_was(
    data_spool: Spool, vault: Vault, gcs: Gcs, http_client: httpx.AsyncClient
) -> None:
    segment = sealed(data_spool, begun(data_spool), size=4 * UNIT + 100)
    gcs.faults.extend([None, FaultKind.RESET_MIDWAY])
    gcs.hold_after = 2
    async with uploading(data_spool, bucket(http_client, gcs), vault, Progress()):
        await asyncio.wait_for(gcs.held.wait(), LIMIT_SECONDS)
    held = data_spool.segments.get(segment.id)
    assert held is not None
    assert held.upload_session is not None
    assert b"session" not in held.upload_session
    gcs.hold_after = None
    gcs.hold.set()
    before, progress = gcs.bytes_taken, Progress()
    async with uploading(data_spool, bucket(http_client, gcs), vault, progress):
        await progress.until(lambda: state(data_spool, segment) is SegmentState.UPLOADED)
    assert before > 0
    assert gcs.bytes_taken == segment_size(segment)
    assert gcs.opened == 1
    assert gcs.bodies[name_of(segment)] == data_spool.segments.file(segment).read_bytes()


async def test_a_session_under_an_earlier_token_is_replaced(
    data_spool: Spool, vault: Vault, gcs: Gcs, http_client: httpx.AsyncClient
) -> None:
    segment = sealed(data_spool, begun(data_spool))
    earlier = Vault(SecretStr("earlier"))
    data_spool.segments.set_upload_session(segment.id, name_of(segment), earlier.lock(b"http://gone.invalid/"))
    progress = Progress()
    async with uploading(data_spool, bucket(http_client, gcs), vault, progress):
        await progress.until(lambda: state(data_spool, segment) is SegmentState.UPLOADED)


async def test_a_brokered_segment_goes_the_whole_way(
    data_spool: Spool,
    vault: Vault,
    gcs: Gcs,
    http_client: httpx.AsyncClient,
    fake: FakeControlPlane,
    control_plane: ControlPlane,
) -> None:
    fake.gcs = gcs
    segments = [sealed(data_spool, begun(data_spool, uuid7()), size=UNIT + 5) for _ in range(12)]
    gcs.faults.extend([FaultKind.SESSION_GONE, FaultKind.UNAVAILABLE, FaultKind.ANSWER_LOST])
    progress, clock = Progress(), SystemClock()
    store = Brokered(http_client, chunk_bytes=UNIT, patience=PATIENCE)
    async with uploading(data_spool, store, vault, progress) as uploads:
        offers = Offers(
            control_plane,
            data_spool,
            vault,
            clock=clock,
            next_up=partial(uploads.turns.upcoming, AHEAD),
            newest_first=True,
            on_session=uploads.wake,
            on_stored=progress,
        )
        reports = Reports(control_plane, data_spool, offers, clock=clock, poll=TICK)
        task = asyncio.create_task(reports.run())
        await progress.until(lambda: fake.stored == {segment.id for segment in segments})
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert gcs.opened == 13
    assert {name: gcs.bodies[name] for name in gcs.bodies} == {
        name_of(segment): data_spool.segments.file(segment).read_bytes() for segment in segments
    }


async def test_a_store_that_is_away_is_told_and_tried_again(tmp_path: Path, data_spool: Spool, vault: Vault) -> None:
    store, progress = tmp_path / "store", Progress()
    segment = sealed(data_spool, begun(data_spool))
    async with uploading(data_spool, Folder(store), vault, progress) as uploads:
        await until(lambda: bool(uploads.state.error))
        assert "does not exist: mount the disk" in uploads.state.error
        store.mkdir()
        data_spool.segments.clear_refusal(segment.id)
        await progress.until(lambda: state(data_spool, segment) is SegmentState.UPLOADED)
        assert uploads.state.error == ""
        assert uploads.state.uploaded == 1


async def test_one_damaged_file_does_not_hold_up_the_others(tmp_path: Path, data_spool: Spool, vault: Vault) -> None:
    store, progress = tmp_path / "store", Progress()
    store.mkdir()
    recording = begun(data_spool)
    damaged = sealed(data_spool, recording, NOON + timedelta(minutes=9))
    data_spool.segments.file(damaged).write_bytes(b"rotten")
    good = [sealed(data_spool, recording, NOON + timedelta(minutes=m)) for m in range(3)]
    async with uploading(data_spool, Folder(store), vault, progress, parallel=1) as uploads:
        await progress.until(lambda: all(state(data_spool, s) is SegmentState.UPLOADED for s in good))
        assert uploads.state.error == ""
    held = data_spool.segments.get(damaged.id)
    assert held is not None
    assert held.state is SegmentState.SEALED
    assert "sealed with" in (held.refusal or "")


async def test_sessions_that_expire_at_once_are_not_asked_for_in_a_rush(
    data_spool: Spool,
    vault: Vault,
    gcs: Gcs,
    http_client: httpx.AsyncClient,
    fake: FakeControlPlane,
    control_plane: ControlPlane,
) -> None:
    fake.gcs = gcs
    segment = sealed(data_spool, begun(data_spool))
    gcs.faults.extend([FaultKind.SESSION_GONE] * 1000)
    store = Brokered(http_client, chunk_bytes=UNIT, patience=PATIENCE)
    slow = Backoff(timedelta(seconds=30), timedelta(seconds=30), draw=lambda: 1.0)
    uplink = Uplink(SystemClock())
    turns = Turns(data_spool, uplink, clock=SystemClock(), newest_first=True)
    uploads = Uploads(
        data_spool,
        store,
        vault,
        clock=SystemClock(),
        uplink=uplink,
        turns=turns,
        parallel=1,
        ahead=AHEAD,
        on_uploaded=lambda: None,
        backoff=slow,
        poll=TICK,
    )
    offers = Offers(
        control_plane,
        data_spool,
        vault,
        clock=SystemClock(),
        next_up=partial(turns.upcoming, AHEAD),
        newest_first=True,
        on_session=uploads.wake,
        on_stored=lambda: None,
    )
    reports = Reports(control_plane, data_spool, offers, clock=SystemClock(), poll=TICK)
    tasks = [asyncio.create_task(reports.run()), asyncio.create_task(uploads.run())]
    await until(lambda: bool((held := data_spool.segments.get(segment.id)) and held.retry_at))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not await reports.drain()
    assert gcs.opened == 2


class Failing:
    """A store that is away."""

    needs_session = False

    def __init__(self) -> None:
        self.tries = 0

    async def put(self, upload: Upload, memory: SessionMemory) -> int | None:
        self.tries += 1
        raise StorageUnavailable("it is away")

    async def check(self) -> None:
        return

    async def close(self) -> None:
        return


async def test_what_somebody_waits_for_does_not_storm_a_store_that_is_away(data_spool: Spool, vault: Vault) -> None:
    recording = begun(data_spool)
    for minute in range(40):
        sealed(data_spool, recording, NOON + timedelta(minutes=minute))
    end = NOON + timedelta(hours=1)
    fetch = Fetch(id=uuid7(), camera_id=recording.camera_id, start=NOON, end=end, expires_at=NOON + timedelta(days=999))
    uplink = Uplink(SystemClock())
    uplink.apply(config().model_copy(update={"uploading": Uploading(fetches=[fetch])}))
    store = Failing()
    slow = Backoff(timedelta(seconds=30), timedelta(seconds=30), draw=lambda: 1.0)
    async with uploading(data_spool, store, vault, Progress(), parallel=1, uplink=uplink, backoff=slow) as uploads:
        await until(lambda: bool(uploads.state.error))
        for _ in range(100):  # as many turns as another twenty tries would have needed
            uploads.wake()
            await asyncio.to_thread(data_spool.segments.backlog)
    assert store.tries <= 2


async def test_a_session_that_is_refused_again_and_again_is_left(
    data_spool: Spool, vault: Vault, gcs: Gcs, http_client: httpx.AsyncClient
) -> None:
    segment = sealed(data_spool, begun(data_spool))
    store, progress = bucket(http_client, gcs), Progress()
    spoilt = gcs.open_session(name_of(segment), segment_size(segment))
    data_spool.segments.set_upload_session(segment.id, name_of(segment), vault.lock(spoilt.encode()))
    gcs.faults.extend([FaultKind.FORBIDDEN] * 2)
    async with uploading(data_spool, store, vault, progress) as uploads:
        for _ in range(2):
            await until(lambda: bool((held := data_spool.segments.get(segment.id)) and held.retry_at))
            data_spool.segments.clear_refusal(segment.id)
            uploads.wake()
        await progress.until(lambda: state(data_spool, segment) is SegmentState.UPLOADED)
    assert gcs.opened == 2


class Gate:
    """A store that shows the order of what comes and lets nothing through."""

    needs_session = False

    def __init__(self) -> None:
        self.names: list[str] = []
        self.came = Progress()

    async def put(self, upload: Upload, memory: SessionMemory) -> int | None:
        self.names.append(upload.metadata["segment-id"])
        self.came()
        await asyncio.Event().wait()
        return None

    async def check(self) -> None:
        return

    async def close(self) -> None:
        return


@pytest.mark.parametrize("newest_first", [True, False])
async def test_the_order_is_as_set(data_spool: Spool, vault: Vault, newest_first: bool) -> None:
    segments = [sealed(data_spool, begun(data_spool, uuid7()), NOON + timedelta(minutes=m)) for m in range(6)]
    gate = Gate()
    async with uploading(data_spool, gate, vault, Progress(), parallel=3, newest_first=newest_first):
        await gate.came.until(lambda: len(gate.names) == 3)
    expected = segments[::-1] if newest_first else segments
    assert gate.names == [str(segment.id) for segment in expected[:3]]


async def test_one_cameras_backlog_does_not_keep_another_waiting(data_spool: Spool, vault: Vault) -> None:
    busy, quiet = begun(data_spool, uuid7()), begun(data_spool, uuid7())
    for minute in range(8):
        sealed(data_spool, busy, NOON + timedelta(minutes=minute + 1))
    only = sealed(data_spool, quiet, NOON)
    gate = Gate()
    async with uploading(data_spool, gate, vault, Progress(), parallel=3):
        await gate.came.until(lambda: len(gate.names) == 3)
    assert str(only.id) in gate.names


def segment_size(segment: Segment) -> int:
    assert segment.sealed is not None
    return segment.sealed.size_bytes
