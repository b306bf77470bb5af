"""The uplink as the uploads may use it: how fast, in which hours, and what it turns out to carry."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from camfleet_contract import heartbeats
from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.uploading import Fetch, Uploading
from recorder.allowance import Allowance, allowance, fetches
from recorder.clock import Clock
from recorder.flow import Flow
from recorder.rate import Rate
from recorder.throughput import Throughput

log = structlog.get_logger(__name__)

LOOK = timedelta(seconds=5)
"""At least so often, since the wall clock may step."""


@dataclass(slots=True)
class Sent:
    """One upload's bytes: those that were let go, and those that the store confirmed."""

    let_go: int = 0
    confirmed: int = 0


class Uplink:
    """Keeps the pace as the configuration and the clock say."""

    def __init__(
        self,
        clock: Clock,
        site: Uploading | None = None,
        *,
        on_opening: Callable[[], None] = lambda: None,
        look: timedelta = LOOK,
    ) -> None:
        """`site`: what is set in the recorder's own environment. `on_opening`: uploads may go again."""
        self._clock = clock
        self._site = site or Uploading()
        self._config: RecorderConfig | None = None
        self._changed = asyncio.Event()
        self._look_every = look
        self.on_opening = on_opening
        self.allowance = Allowance()
        self.flow = Flow()
        self.throughput = Throughput(clock)
        self.rate = Rate(clock)
        """Of what was let go."""
        self.confirmed_total = 0
        """Bytes that stores have confirmed since the start."""
        self._look()

    def apply(self, config: RecorderConfig) -> None:
        """The configuration is this now."""
        self._config = config
        self._look()
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            change = self._look()
            wait = self._look_every if change is None else min(self._look_every, change - self._clock.now())
            try:
                async with asyncio.timeout(max(0.0, wait.total_seconds())):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def fetches(self) -> Sequence[Fetch]:
        """What the console wants first."""
        return fetches(self._config, self._clock.now())

    def is_urgent(self, camera_id: UUID, start: datetime, end: datetime) -> bool:
        """Whether somebody waits for this footage: it goes at once, whatever the hours."""
        return any(fetch.camera_id == camera_id and start < fetch.end and end > fetch.start for fetch in self.fetches())

    async def grant(self, sent: Sent, is_urgent: Callable[[], bool], wanted: int) -> int:
        """Some of `wanted` bytes, as soon as they may go. UploadsClosed."""
        count = await self.flow.grant(wanted, is_urgent=not self.flow.is_free and is_urgent())
        sent.let_go += count
        self.rate.add(count)
        self.throughput.add(count)
        return count

    def confirm(self, sent: Sent, count: int) -> None:
        """The store has so many more."""
        sent.confirmed += count
        self.confirmed_total += count

    def settle(self, sent: Sent) -> None:
        """The upload is over: what was let go and arrived nowhere was no throughput."""
        self.throughput.add(min(0, sent.confirmed - sent.let_go))

    def shown(self) -> heartbeats.Uplink:
        """As heartbeats tell it."""
        now, capacity = self._clock.now(), self.throughput.per_second()
        return heartbeats.Uplink(
            bytes_per_second=round(self.rate.per_second(), 1),
            capacity_bytes_per_second=None if capacity is None else round(capacity, 1),
            limit_kbit=self.allowance.limit_kbit,
            is_open=self.flow.is_open,
            changes_at=self.allowance.changes_at(now),
        )

    def _look(self) -> datetime | None:
        """Keeps the pace as it is to be now; when that changes next."""
        self.allowance = allowance(self._config, self._site)
        self.flow.set_limit(self.allowance.bytes_per_second)
        self.flow.may_close = bool(self.allowance.hours)
        now, was_open = self._clock.now(), self.flow.is_open
        if self.allowance.is_open(now):
            self.flow.open()
        else:
            self.flow.close()
        if self.flow.is_open != was_open:
            log.info("upload_hours_begin" if self.flow.is_open else "upload_hours_end")
            if self.flow.is_open:
                self.on_opening()
        return self.allowance.changes_at(now)
