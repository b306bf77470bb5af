"""Warns while there is still time that footage would be deleted before it is uploaded."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from uuid_utils.compat import uuid7

from camfleet_contract.heartbeats import FootageAtRisk
from recorder.clock import Clock
from recorder.forecast import FASTEST, HORIZON, Load, Loss, Prospect, Rule, loss, needed_uplink
from recorder.inflow import Inflow
from recorder.retention import Reserve
from recorder.spool import SceneEvent, Spool
from recorder.stock import Holdings, Stock
from recorder.uplink import Uplink

log = structlog.get_logger(__name__)

LOOK = timedelta(minutes=1)
WARNED = timedelta(days=3)
"""What would be lost within so long is told."""
CONFIRMED = timedelta(minutes=5)
"""A loss must be foreseen for so long before it is told, unless it is near."""
NEAR = timedelta(hours=1)
CLEARED = timedelta(minutes=15)
"""And nothing must be foreseen within the whole horizon, which reaches further, for so long before it is over."""
SHORT, LONG = timedelta(hours=1), timedelta(days=1)
SOON = timedelta(hours=12)
"""What the last hour foretells is believed no further than this; for days ahead the last day is asked."""
LIVE = timedelta(minutes=10)
KIND = "footage_at_risk"
_MEGABIT = 1_000_000 / 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is told, and since when things have been otherwise."""

    loss: Loss | None = None
    """None: nothing is told."""
    since: datetime | None = None
    otherwise_since: datetime | None = None


def judged(before: Verdict, foreseen: Loss | None, now: datetime) -> Verdict:
    """What is told at `now`: it begins and ends only after a while, and ends further away than it begins."""
    if before.loss is None:
        if foreseen is None or foreseen.at > now + WARNED:
            return Verdict()
        since = before.otherwise_since or now
        if foreseen.at <= now + NEAR or now - since >= CONFIRMED:
            return Verdict(foreseen, now)
        return Verdict(otherwise_since=since)
    if foreseen is not None:
        return Verdict(foreseen, before.since)
    since = before.otherwise_since or now
    return Verdict() if now - since >= CLEARED else replace(before, otherwise_since=since)


class Risk:
    """Looks every minute. What it tells may be read from any thread."""

    def __init__(
        self,
        spool: Spool,
        stock: Stock,
        uplink: Uplink,
        *,
        clock: Clock,
        reserve: Reserve,
        newest_first: bool,
        keep_unproven: timedelta | None,
        bytes_per_camera: int | None,
        on_news: Callable[[], None],
    ) -> None:
        self._events = spool.events
        self._stock = stock
        self._uplink = uplink
        self._clock = clock
        self._reserve = reserve
        self._newest_first = newest_first
        self._keep_unproven = keep_unproven
        self._bytes_per_camera = bytes_per_camera
        self._on_news = on_news
        self._inflow = Inflow(clock)
        self._verdict = Verdict()
        self._event: SceneEvent | None = None
        self.told: FootageAtRisk | None = None
        """None: nothing is at risk, as far as can be foreseen."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            if await asyncio.to_thread(self.look):
                self._on_news()
            await asyncio.sleep(LOOK.total_seconds())

    def look(self) -> bool:
        """Foresees anew; whether what is told begins or ends. Blocks."""
        now, held = self._clock.now(), self._stock.holdings()
        self._inflow.sample(held.sealed_bytes)
        found = [(one, prospect) for prospect, one in self._foreseen(held, now) if one is not None]
        first, prospect = min(found, key=lambda pair: pair[0].at, default=(None, None))
        before, self._verdict = self._verdict, judged(self._verdict, first, now)
        if self._verdict.loss is None:
            self.told = None
        elif first is not None and prospect is not None:
            needed = needed_uplink(prospect)
            self.told = FootageAtRisk(
                since=self._verdict.since or now,
                loss_at=first.at,
                rule=first.rule.value,
                camera_id=first.camera_id,
                needed_bytes_per_second=None if needed is None else round(needed, 1),
            )
        if (before.loss is None) == (self._verdict.loss is None):
            return False
        self._record(held, now)
        return True

    def _foreseen(self, held: Holdings, now: datetime) -> Iterator[tuple[Prospect, Loss | None]]:
        if held.space is None or held.unreadable or held.late_seconds:
            return  # other problems tell of that
        room = held.space.free_bytes - self._reserve.bytes_of(held.space) + held.stored_bytes
        openings = self._uplink.allowance.openings(now, now + HORIZON)
        for span, trusted in ((LONG, HORIZON), (SHORT, SOON)):
            inflow = self._inflow.per_second(span)
            if inflow is None:
                continue
            cameras = {
                camera_id: Load(held.unproven_bytes.get(camera_id, 0), inflow.get(camera_id, 0.0))
                for camera_id in {*inflow, *held.unproven_bytes}
            }
            prospect = Prospect(
                now=now,
                cameras=cameras,
                room_bytes=room,
                openings=openings,
                oldest=held.backlog.oldest,
                newest_first=self._newest_first,
                keep_unproven=self._keep_unproven,
                bytes_per_camera=self._bytes_per_camera,
            )
            foreseen = loss(prospect, self._capacity(prospect))
            yield prospect, foreseen if foreseen is not None and foreseen.at <= now + trusted else None

    def _capacity(self, prospect: Prospect) -> float:
        """What the uplink carries, as far as is known; what is not known is no reason to warn."""
        measured = self._uplink.throughput.per_second()
        if measured is None:
            return self._uplink.allowance.bytes_per_second or FASTEST
        keeps_up = prospect.oldest is None or prospect.now - prospect.oldest <= LIVE
        return max(measured, prospect.inflow) if keeps_up and self._uplink.flow.is_open else measured

    def _record(self, held: Holdings, now: datetime) -> None:
        """The event begins with the warning and ends with it; the control plane hears of it also after an outage."""
        if self.told is not None:
            seen = {
                "backlog_bytes": float(held.backlog.size_bytes),
                "loss_in_seconds": (self.told.loss_at - now).total_seconds(),
            }
            if self.told.needed_bytes_per_second is not None:
                seen["needed_bytes_per_second"] = self.told.needed_bytes_per_second
            self._event = SceneEvent(uuid7(), None, KIND, now, None, {}, seen)
            log.warning("footage_at_risk", loss_at=self.told.loss_at.isoformat(), reason=told_in_words(self.told, now))
        elif self._event is not None:
            self._event = replace(self._event, end=now)
            log.info("footage_safe_again")
        try:
            if self._event is not None:
                self._events.put([self._event])
        except sqlite3.Error as error:
            log.warning("event_not_kept", reason=str(error))


def told_in_words(at_risk: FootageAtRisk, now: datetime) -> str:
    """For people."""
    hours = max(0.0, (at_risk.loss_at - now) / timedelta(hours=1))
    left = f"{hours * 60:.0f} minutes" if hours < 2 else f"{hours:.0f} hours"  # noqa: PLR2004 - as people count
    why = {
        Rule.DISK.value: "the disk will be full",
        Rule.AGE.value: "it will be too old (KEEP_UNPROVEN_DAYS)",
        Rule.SHARE.value: f"camera {at_risk.camera_id} will have its share (MAX_GIB_PER_CAMERA)",
    }.get(at_risk.rule, at_risk.rule)
    needed = at_risk.needed_bytes_per_second
    saves = (
        "no uplink is fast enough in the hours of uploading: lengthen them"
        if needed is None
        else f"an uplink of {needed / _MEGABIT:.1f} Mbit/s would save it"
    )
    return f"in {left} footage goes that is not uploaded, since {why}: {saves}"
