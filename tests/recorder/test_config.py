"""The configuration: pushed, cached, and never lost to one bad part of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog
from pydantic import SecretStr

from camfleet_contract.configuration import RecorderConfig
from recorder.backoff import Backoff
from recorder.clock import SystemClock
from recorder.config import ConfigSync, Source
from recorder.config_cache import NAME, ConfigCache
from recorder.control_plane import ControlPlane
from recorder.link import LinkCondition
from recorder.vault import Vault
from tests.recorder.control_plane import FakeControlPlane
from tests.recorder.waiting import LIMIT_SECONDS, until

PASSWORD = "hunter2-of-the-camera"
QUICK = Backoff(timedelta(milliseconds=1), timedelta(milliseconds=20))


def camera(**changes: Any) -> dict[str, Any]:
    return {"id": str(uuid4()), "name": "Yard", "rtsp_url": f"rtsp://u:{PASSWORD}@10.0.0.2/1"} | changes


def schedule(**changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "name": "Night",
        "schedule_type": "daily",
        "start_time": "20:00:00",
        "end_time": "06:00:00",
        "camera": camera(),
    } | changes


def document(revision: str = "1", **parts: Any) -> bytes:
    held = {"revision": revision, "client_id": str(uuid4()), "client_name": "Box", "cameras": [camera()]}
    return json.dumps(held | parts).encode()


class Applied:
    """Every configuration that was handed on."""

    def __init__(self) -> None:
        self.configs: list[RecorderConfig] = []
        self._more = asyncio.Event()

    def __call__(self, config: RecorderConfig) -> None:
        self.configs.append(config)
        self._more.set()

    async def until(self, revision: str) -> RecorderConfig:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not self.configs or self.configs[-1].revision != revision:
                self._more.clear()
                await self._more.wait()
        return self.configs[-1]


@pytest.fixture
def cache(tmp_path: Path, vault: Vault) -> ConfigCache:
    return ConfigCache(tmp_path / "cache", vault)


@asynccontextmanager
async def syncing(
    control_plane: ControlPlane,
    cache: ConfigCache,
    applied: Applied,
    interval: float = 0.05,
    confirmed: Applied | None = None,
) -> AsyncIterator[ConfigSync]:
    sync = ConfigSync(
        control_plane,
        cache,
        applied,
        clock=SystemClock(),
        interval=timedelta(seconds=interval),
        backoff=QUICK,
        on_confirmed=confirmed or Applied(),
    )
    await sync.start_from_cache()
    task = asyncio.create_task(sync.run())
    try:
        yield sync
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_arrives_at_once(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache
) -> None:
    applied, clock = Applied(), SystemClock()
    fake.document = document("1")
    async with syncing(control_plane, cache, applied) as sync:
        await applied.until("1")
        await fake.until(lambda: fake.calls.count("GET /config") >= 1)
        began = clock.monotonic()
        fake.publish(document("2"))
        await applied.until("2")
        assert clock.monotonic() - began < 1
        assert sync.state.source is Source.PUSHED


async def test_it_starts_from_the_last_good_copy_with_the_control_plane_down(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache
) -> None:
    fake.document = document("1", schedules=[schedule()])
    first = Applied()
    async with syncing(control_plane, cache, first):
        await first.until("1")
    fake.down = 503
    second = Applied()
    async with syncing(control_plane, cache, second) as sync:
        assert second.configs == first.configs
        assert sync.state.source is Source.CACHE
        await until(lambda: control_plane.link.state.condition is LinkCondition.UNREACHABLE)
        fake.down = 0
        fake.publish(document("2"))
        await second.until("2")


async def test_the_cache_shows_no_password_and_opens_with_the_right_token_only(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache, tmp_path: Path
) -> None:
    fake.document = document("1")
    applied = Applied()
    async with syncing(control_plane, cache, applied):
        await applied.until("1")
    held = (tmp_path / "cache" / NAME).read_bytes()
    assert PASSWORD.encode() not in held
    assert (tmp_path / "cache" / NAME).stat().st_mode & 0o077 == 0
    assert cache.load() is not None
    assert ConfigCache(tmp_path / "cache", Vault(SecretStr("another"))).load() is None


@pytest.mark.parametrize("damage", [b"", b"garbage", b"\x00" * 5000])
def test_a_damaged_cache_is_reported_and_ignored(cache: ConfigCache, tmp_path: Path, damage: bytes) -> None:
    cache.save(document(), '"1"')
    (tmp_path / "cache" / NAME).write_bytes(damage)
    with structlog.testing.capture_logs() as logs:
        assert cache.load() is None
    assert [entry["event"] for entry in logs] == ["config_cache_unreadable"]


def test_a_cached_document_that_is_none_is_ignored_without_showing_it(cache: ConfigCache) -> None:
    cache.save(json.dumps({"revision": 1, "cameras": PASSWORD}).encode(), None)
    with structlog.testing.capture_logs() as logs:
        assert cache.load() is None
    assert PASSWORD not in str(logs)


def test_fields_of_a_later_version_survive_in_the_cache(cache: ConfigCache, vault: Vault, tmp_path: Path) -> None:
    cache.save(document(novelty={"a": 1}), '"1"')
    assert b"novelty" in vault.unlock((tmp_path / "cache" / NAME).read_bytes())
    assert cache.load() is not None


async def test_one_bad_schedule_does_not_lose_the_rest(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache
) -> None:
    good = schedule(name="Good")
    bad = schedule(name="Bad", start_time="25:99", camera=camera(rtsp_url=None))
    fake.document = document("1", schedules=[bad, good])
    applied = Applied()
    with structlog.testing.capture_logs() as logs:
        async with syncing(control_plane, cache, applied):
            config = await applied.until("1")
    assert [held.name for held in config.schedules] == ["Good"]
    told = [entry for entry in logs if entry["event"] == "config_item_unreadable"]
    assert len(told) == 1
    assert PASSWORD not in str(logs)


@pytest.mark.parametrize("nonsense", [b"<html>login</html>", b"[]", b'{"revision": 5}', b""])
async def test_nonsense_never_replaces_a_good_configuration(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache, nonsense: bytes
) -> None:
    fake.document = document("1")
    applied = Applied()
    async with syncing(control_plane, cache, applied) as sync:
        await applied.until("1")
        fake.publish(nonsense)
        await until(lambda: bool(sync.state.error))
        assert sync.state.config is not None
        assert sync.state.config.revision == "1"
        fake.publish(document("2"))
        await applied.until("2")
        assert sync.state.error == ""
    cached = cache.load()
    assert cached is not None
    assert cached.config.revision == "2"


async def test_a_control_plane_without_config_is_polled(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache
) -> None:
    fake.has_config = False
    fake.lists["schedules"] = [schedule(name="First")]
    fake.lists["cameras"] = [camera()]
    applied = Applied()
    async with syncing(control_plane, cache, applied) as sync:
        await fake.until(lambda: fake.calls.count("GET /cameras") >= 2)
        assert sync.state.source is Source.POLLED
        assert [held.name for held in applied.configs[-1].schedules] == ["First"]
        assert len(applied.configs) == 1
        fake.lists["schedules"] = [schedule(name="First"), schedule(name="Second")]
        await until(lambda: len(applied.configs) == 2)
        assert [held.name for held in applied.configs[-1].schedules] == ["First", "Second"]
        assert fake.calls.count("GET /config") == 1
    cached = cache.load()
    assert cached is not None
    assert len(cached.config.schedules) == 2


async def test_a_refused_token_is_told_and_the_last_configuration_stays(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache
) -> None:
    cache.save(document("1"), None)
    fake.token = "renewed"
    applied = Applied()
    with structlog.testing.capture_logs() as logs:
        async with syncing(control_plane, cache, applied) as sync:
            await until(lambda: bool(sync.state.error))
    assert control_plane.link.state.condition is LinkCondition.TOKEN_REFUSED
    assert "renew it in the console" in control_plane.link.state.reason
    assert applied.configs[-1].revision == "1"
    assert fake.calls == ["GET /config"]
    assert "only-for-tests" not in str(logs)


async def test_what_a_document_asks_for_is_heard_from_an_answer_and_never_from_the_cache(
    fake: FakeControlPlane, control_plane: ControlPlane, cache: ConfigCache
) -> None:
    command = {"id": str(uuid4()), "kind": "restart", "expires_at": "2026-03-01T20:16:30Z"}
    unknown = {"id": str(uuid4()), "kind": "dance", "token": "cfr_secret", "expires_at": "2026-03-01T20:16:30Z"}
    fake.document = document("1", commands=[command, unknown])
    confirmed = Applied()
    async with syncing(control_plane, cache, Applied(), confirmed=confirmed):
        config = await confirmed.until("1")
        assert [str(read.id) for read in config.commands] == [command["id"]]
        (line,) = config.unreadable
        assert line.startswith(f"command {unknown['id']}")
        assert "cfr_secret" not in line
    fake.down = 503
    applied, confirmed = Applied(), Applied()
    async with syncing(control_plane, cache, applied, confirmed=confirmed):
        assert (await applied.until("1")).commands
        await fake.until(lambda: fake.calls.count("GET /config") >= 3)
        assert confirmed.configs == []
        fake.down = 0  # the same document: the answer may be that nothing has changed
        await confirmed.until("1")
    assert len(applied.configs) == 1
