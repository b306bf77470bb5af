"""Keeps the recorder's configuration the one that the control plane has."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from uuid import UUID

import structlog
from pydantic import TypeAdapter, ValidationError

from camfleet_contract.configuration import RecorderConfig
from recorder.backoff import Backoff
from recorder.clock import Clock
from recorder.config_cache import ConfigCache
from recorder.control_plane import ControlPlane, Document
from recorder.errors import CallRefused, ControlPlaneError, ControlPlaneUnreachable, TokenRefused
from recorder.retention import ToldHolds

log = structlog.get_logger(__name__)

TOKEN_REFUSED_PAUSE = timedelta(minutes=5)
ASK_FOR_CONFIG_AGAIN = timedelta(minutes=10)
# A server that answers at once, whatever it was asked to wait, is not asked more often than this.
SHORTEST_ROUND = timedelta(milliseconds=200)
_ANY_LIST = TypeAdapter(list[object])


class Source(StrEnum):
    """Where the present configuration came from."""

    NONE = "none"
    CACHE = "cache"
    PUSHED = "pushed"
    """By long poll: a change arrives in under a second."""
    POLLED = "polled"
    """From a control plane without `GET config`, every sync interval."""


@dataclass(frozen=True, slots=True)
class SyncState:
    """What the recorder knows of its configuration."""

    source: Source = Source.NONE
    config: RecorderConfig | None = None
    changed_at: datetime | None = None
    confirmed_at: datetime | None = None
    """When the control plane last said that this is the newest."""
    error: str = ""


class ConfigSync:
    """Hands every new configuration to `apply`, the cached one first."""

    def __init__(
        self,
        control_plane: ControlPlane,
        cache: ConfigCache,
        apply: Callable[[RecorderConfig], None],
        *,
        clock: Clock,
        interval: timedelta,
        client_id: UUID | None = None,
        backoff: Backoff | None = None,
        on_confirmed: Callable[[RecorderConfig], None] = lambda _: None,
    ) -> None:
        """`on_confirmed` is called whenever the control plane says that this is its present configuration."""
        self._control_plane = control_plane
        self._cache = cache
        self._apply = apply
        self._clock = clock
        self._interval = interval
        self._client_id = client_id or UUID(int=0)
        self._backoff = backoff or Backoff()
        self._on_confirmed = on_confirmed
        self._etag: str | None = None
        self._list_etags: tuple[str | None, str | None] = (None, None)
        self._lists: tuple[bytes, bytes] = (b"[]", b"[]")
        self._ask_again_at = 0.0
        self._poked = asyncio.Event()
        self.state = SyncState()

    async def start_from_cache(self) -> None:
        """Applies the last good copy, so that recording begins with the control plane down."""
        cached = await asyncio.to_thread(self._cache.load)
        if cached is not None:
            self._etag = cached.etag
            self._take(cached.config, Source.CACHE)

    def told_holds(self) -> ToldHolds | None:
        """What the control plane holds; None where it didn't say, as an older one doesn't."""
        state = self.state
        if state.config is None or state.config.held_recordings is None:
            return None
        # A cached document may be older than what the spool knows: it may add to that, not take away.
        return ToldHolds(frozenset(state.config.held_recordings), is_all=state.confirmed_at is not None)

    def poke(self) -> None:
        """Asks soon: somebody heard that the configuration changed."""
        self._poked.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            self._poked.clear()
            try:
                pause = await self._round()
                failures = 0
            except TokenRefused as error:
                pause = TOKEN_REFUSED_PAUSE
                self.state = replace(self.state, error=str(error))
            except ControlPlaneError as error:
                failures += 1
                pause = self._backoff.wait(failures)
                if self.state.error != str(error):
                    log.warning("config_not_synced", reason=str(error))
                self.state = replace(self.state, error=str(error))
            try:
                async with asyncio.timeout(pause.total_seconds()):
                    await self._poked.wait()
            except TimeoutError:
                continue

    async def _round(self) -> timedelta:
        """One question and what follows from its answer; the pause until the next."""
        began = self._clock.monotonic()
        if began < self._ask_again_at:
            await self._poll()
            return self._interval
        try:
            document = await self._control_plane.config(self._etag)
        except CallRefused as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            log.info("config_is_polled", reason="this control plane has no GET config")
            self._ask_again_at = began + ASK_FOR_CONFIG_AGAIN.total_seconds()
            await self._poll()
            return self._interval
        if document is not None:
            config = read_config(document.body)
            await self._save(document.body, document.etag)
            self._etag = document.etag
            self._take(config, Source.PUSHED)
        self._confirmed(Source.PUSHED)
        if self.state.config is not None:
            self._on_confirmed(self.state.config)
        spent = timedelta(seconds=self._clock.monotonic() - began)
        shortest = SHORTEST_ROUND if document is not None and document.etag else self._interval
        return timedelta(0) if spent > SHORTEST_ROUND else shortest

    async def _poll(self) -> None:
        schedules = await self._control_plane.schedules(self._list_etags[0])
        cameras = await self._control_plane.cameras(self._list_etags[1])
        if schedules is None and cameras is None:
            self._confirmed(Source.POLLED)
            return
        held = (_body(schedules, self._lists[0]), _body(cameras, self._lists[1]))
        if held != self._lists or self.state.source is not Source.POLLED:
            document = put_together(*held, self._client_id)
            config = read_config(document)
            await self._save(document, None)
            self._etag = None
            self._take(config, Source.POLLED)
        self._lists = held
        self._list_etags = (
            schedules.etag if schedules else self._list_etags[0],
            cameras.etag if cameras else self._list_etags[1],
        )
        self._confirmed(Source.POLLED)

    async def _save(self, document: bytes, etag: str | None) -> None:
        try:
            await asyncio.to_thread(self._cache.save, document, etag)
        except OSError as error:
            # It is applied all the same: a full disk is no reason to miss a schedule.
            log.warning("config_not_cached", reason=str(error))

    def _take(self, config: RecorderConfig, source: Source) -> None:
        self.state = SyncState(source, config, self._clock.now())
        log.info(
            "config_applied",
            source=source.value,
            revision=config.revision,
            cameras=len(config.cameras),
            schedules=len(config.schedules),
        )
        for line in config.unreadable:
            log.warning("config_item_unreadable", item=line)
        self._apply(config)

    def _confirmed(self, source: Source) -> None:
        self.state = replace(self.state, source=source, confirmed_at=self._clock.now(), error="")


def read_config(document: bytes) -> RecorderConfig:
    try:
        return RecorderConfig.model_validate_json(document)
    except ValidationError as error:
        # Told by place only: the values may be passwords.
        places = ", ".join(".".join(map(str, problem["loc"])) or "the document" for problem in error.errors()[:5])
        raise ControlPlaneUnreachable(f"its configuration can't be read ({places}); the last good one stays") from None


def _body(document: Document | None, before: bytes) -> bytes:
    return before if document is None else document.body


def put_together(schedules: bytes, cameras: bytes, client_id: UUID) -> bytes:
    """The lists of a control plane without `GET config`, as one document.

    Such a control plane names no zones. Its schedules are in its own time, which is UTC as far as anybody can tell.
    """
    try:
        due, known = _ANY_LIST.validate_json(schedules), _ANY_LIST.validate_json(cameras)
    except ValidationError:
        raise ControlPlaneUnreachable("it answered something else than a list; the last good one stays") from None
    document: dict[str, object] = {
        "revision": hashlib.sha256(schedules + b"\0" + cameras).hexdigest()[:16],
        "client_id": str(client_id),
        "client_name": "this recorder",
        "cameras": known,
        "schedules": due,
    }
    return TypeAdapter(dict[str, object]).dump_json(document)
