"""Uploads keep the hours and the limit that the console and the site set, against a bucket that counts bytes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.uploading import Fetch, Uploading, read_hours
from recorder.allowance import Allowance, allowance, fetches
from recorder.errors import BadSettings
from recorder.offers import name_of
from recorder.settings import Settings, read_settings
from recorder.spool import SegmentState, Spool
from recorder.storage.files import Folder
from recorder.throughput import ENOUGH_SECONDS, SPAN_SECONDS, SPANS, Throughput
from recorder.uplink import Uplink
from recorder.vault import Vault
from tests.recorder.gcs import UNIT, Gcs
from tests.recorder.rig import config
from tests.recorder.spooled import NOON, SetClock, begun, sealed
from tests.recorder.test_uploads import TICK, Progress, bucket, state, uploading
from tests.recorder.waiting import until

BERLIN = ZoneInfo("Europe/Berlin")
SLOWEST_BYTES = 64_000 / 8


def told(
    limit_kbit: int | None = None, hours: str = "", wanted: Sequence[Fetch] = (), zone: str = "UTC"
) -> RecorderConfig:
    uploading = Uploading(limit_kbit=limit_kbit, hours=read_hours(hours), fetches=list(wanted))
    return config().model_copy(update={"uploading": uploading, "timezone": zone})


def at_site(limit_kbit: int | None = None, hours: str = "") -> Uploading:
    return Uploading(limit_kbit=limit_kbit, hours=read_hours(hours))


@asynccontextmanager
async def watching(uplink: Uplink) -> AsyncIterator[None]:
    task = asyncio.create_task(uplink.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_closed_hours_send_nothing_but_what_somebody_waits_for(
    data_spool: Spool, vault: Vault, gcs: Gcs, http_client: httpx.AsyncClient
) -> None:
    recording = begun(data_spool)
    segments = [sealed(data_spool, recording, NOON + timedelta(minutes=minute)) for minute in range(4)]
    clock, progress = SetClock(NOON), Progress()
    fetch = Fetch(
        id=uuid7(),
        camera_id=recording.camera_id,
        start=NOON + timedelta(minutes=1),
        end=NOON + timedelta(minutes=2),
        expires_at=NOON + timedelta(days=7),
    )
    uplink = Uplink(clock, look=TICK)
    uplink.apply(told(hours="22:00-06:00", wanted=[fetch]))
    async with (
        watching(uplink),
        uploading(data_spool, bucket(http_client, gcs), vault, progress, uplink=uplink),
    ):
        await progress.until(lambda: state(data_spool, segments[1]) is SegmentState.UPLOADED)
        assert set(gcs.bodies) == {name_of(segments[1])}
        assert gcs.bytes_taken == 100_000
        assert gcs.opened == 1
        clock.advance(timedelta(hours=10))
        await progress.until(lambda: all(state(data_spool, s) is SegmentState.UPLOADED for s in segments))
    assert gcs.bytes_taken == 400_000


async def test_when_the_hours_end_an_upload_stops_where_it_is_and_goes_on_from_there(
    data_spool: Spool, vault: Vault, gcs: Gcs, http_client: httpx.AsyncClient
) -> None:
    segment = sealed(data_spool, begun(data_spool), size=4 * UNIT)
    clock, progress = SetClock(NOON), Progress()
    uplink = Uplink(clock, look=TICK)
    uplink.apply(told(limit_kbit=8000, hours="11:00-13:00"))
    async with watching(uplink), uploading(data_spool, bucket(http_client, gcs), vault, progress, uplink=uplink) as up:
        await until(lambda: gcs.bytes_taken >= UNIT)
        clock.advance(timedelta(hours=2))
        await until(lambda: not uplink.flow.is_open and not up.turns.busy())
        let_go = uplink.rate.per_second()
        taken = gcs.bytes_taken
        assert state(data_spool, segment) is SegmentState.SEALED
        requests = len(gcs.puts)
        for _ in range(50):  # as many turns as a dozen uploads would have needed
            up.wake()
            await asyncio.to_thread(data_spool.segments.backlog)
        assert (gcs.bytes_taken, len(gcs.puts), gcs.opened) == (taken, requests, 1)
        assert uplink.rate.per_second() == let_go
        uplink.apply(told())
        await progress.until(lambda: state(data_spool, segment) is SegmentState.UPLOADED)
    assert gcs.bodies[name_of(segment)] == data_spool.segments.file(segment).read_bytes()
    assert gcs.opened == 1


async def test_several_uploads_never_exceed_the_limit_together(
    data_spool: Spool, vault: Vault, gcs: Gcs, http_client: httpx.AsyncClient
) -> None:
    segments = [sealed(data_spool, begun(data_spool, uuid7()), size=UNIT) for _ in range(4)]
    uplink, progress = Uplink(SetClock(NOON), at_site(limit_kbit=4000)), Progress()
    began = asyncio.get_running_loop().time()
    async with uploading(data_spool, bucket(http_client, gcs), vault, progress, parallel=4, uplink=uplink):
        await progress.until(lambda: all(state(data_spool, s) is SegmentState.UPLOADED for s in segments))
    seconds = asyncio.get_running_loop().time() - began
    assert gcs.bytes_taken == 4 * UNIT
    assert gcs.bytes_taken / seconds <= 1.05 * 500_000


async def test_copies_into_a_folder_keep_the_limit_too(tmp_path: Path, data_spool: Spool, vault: Vault) -> None:
    (tmp_path / "store").mkdir()
    segments = [sealed(data_spool, begun(data_spool, uuid7()), size=UNIT) for _ in range(2)]
    uplink, progress = Uplink(SetClock(NOON), at_site(limit_kbit=4000)), Progress()
    began = asyncio.get_running_loop().time()
    async with uploading(data_spool, Folder(tmp_path / "store"), vault, progress, uplink=uplink):
        await progress.until(lambda: all(state(data_spool, s) is SegmentState.UPLOADED for s in segments))
    assert asyncio.get_running_loop().time() - began >= 0.95 * 2 * UNIT / 500_000
    for segment in segments:
        assert (tmp_path / "store" / name_of(segment)).read_bytes() == data_spool.segments.file(segment).read_bytes()


@pytest.mark.parametrize(
    ("console", "site", "limit", "open_at_noon", "open_at_23"),
    [
        (told(), at_site(), None, True, True),
        (told(2000), at_site(), 2000, True, True),
        (told(), at_site(1000), 1000, True, True),
        (told(2000), at_site(1000), 1000, True, True),
        (told(500), at_site(1000), 500, True, True),
        (told(hours="22:00-06:00"), at_site(), None, False, True),
        (told(), at_site(hours="22:00-06:00"), None, False, True),
        (told(hours="12:00-24:00"), at_site(hours="22:00-06:00"), None, False, True),
        (told(hours="12:00-13:00"), at_site(hours="22:00-06:00"), None, False, False),
        (None, at_site(1000, "11:00-13:00"), 1000, True, False),
    ],
)
def test_the_stricter_of_console_and_site_counts(
    console: RecorderConfig | None, site: Uploading, limit: int | None, open_at_noon: bool, open_at_23: bool
) -> None:
    allowed = allowance(console, site)
    assert allowed.limit_kbit == limit
    assert allowed.bytes_per_second == (None if limit is None else limit * 125)
    assert allowed.is_open(NOON) is open_at_noon
    assert allowed.is_open(NOON + timedelta(hours=11)) is open_at_23


def test_hours_begin_and_end_on_time_through_the_changes_of_the_clock() -> None:
    nights = Allowance(hours=(tuple(read_hours("22:00-06:00")),), zone=BERLIN)
    before = datetime(2026, 3, 28, 21, 59, 59, tzinfo=BERLIN)
    opens = nights.changes_at(before)
    assert opens == datetime(2026, 3, 28, 22, tzinfo=BERLIN)
    assert not nights.is_open(before)
    assert nights.is_open(opens)
    closes = nights.changes_at(opens)
    assert closes == datetime(2026, 3, 29, 6, tzinfo=BERLIN)
    assert closes - opens == timedelta(hours=7)
    assert not nights.is_open(closes)
    assert nights.changes_at(closes) == datetime(2026, 3, 29, 22, tzinfo=BERLIN)
    assert Allowance().changes_at(NOON) is None
    never = Allowance(hours=(tuple(read_hours("10:00-11:00")), tuple(read_hours("12:00-13:00"))))
    assert never.changes_at(NOON) is None
    assert not never.is_open(NOON)


def test_the_hours_are_those_of_the_recorders_site() -> None:
    allowed = allowance(told(hours="12:00-13:00", zone="America/New_York"), at_site())
    assert not allowed.is_open(NOON)
    assert allowed.is_open(NOON + timedelta(hours=5))


def test_what_was_asked_for_ends_when_it_expires() -> None:
    fetch = Fetch(
        id=uuid7(), camera_id=uuid7(), start=NOON, end=NOON + timedelta(hours=1), expires_at=NOON + timedelta(days=7)
    )
    asked = told(wanted=[fetch])
    assert list(fetches(asked, NOON)) == [fetch]
    assert not fetches(asked, fetch.expires_at)
    assert not fetches(None, NOON)


def test_throughput_counts_only_the_time_in_which_bytes_were_wanted() -> None:
    clock = SetClock()
    throughput = Throughput(clock)
    assert throughput.per_second() is None
    for _ in range(10):
        clock.advance(timedelta(hours=1))
        with throughput.wanted():
            clock.advance(timedelta(seconds=30))
            throughput.add(30_000)
    assert throughput.per_second() == pytest.approx(1000)
    with throughput.wanted(), throughput.wanted():
        clock.advance(timedelta(seconds=SPAN_SECONDS * SPANS))
        assert throughput.per_second() == pytest.approx(0, abs=400)
        for _ in range(SPANS):
            clock.advance(timedelta(seconds=SPAN_SECONDS))
            throughput.add(0)
    assert throughput.per_second() == 0


def test_what_arrived_nowhere_is_no_throughput() -> None:
    clock = SetClock()
    throughput = Throughput(clock)
    with throughput.wanted():
        clock.advance(timedelta(seconds=ENOUGH_SECONDS))
        throughput.add(1_000_000)
        throughput.add(-1_000_000)
        assert throughput.per_second() == 0


def test_the_sites_own_settings_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKEND_API_URL", "http://localhost")
    monkeypatch.setenv("CLIENT_TOKEN", "x")
    assert read_settings(None).site_uploading == Uploading()
    monkeypatch.setenv("UPLOAD_LIMIT_KBIT", "2000")
    monkeypatch.setenv("UPLOAD_HOURS", "22:00-06:00, 12:00-13:00")
    assert read_settings(None).site_uploading == at_site(2000, "22:00-06:00,12:00-13:00")
    assert isinstance(read_settings(None), Settings)
    monkeypatch.setenv("UPLOAD_HOURS", "at night")
    with pytest.raises(BadSettings, match=r"UPLOAD_HOURS .*of the form 22:00-06:00"):
        read_settings(None)
    monkeypatch.setenv("UPLOAD_HOURS", "")
    monkeypatch.setenv("UPLOAD_LIMIT_KBIT", "1")
    with pytest.raises(BadSettings, match="UPLOAD_LIMIT_KBIT"):
        read_settings(None)
