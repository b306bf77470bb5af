"""Tells the control plane what the cameras' pictures did, until it has acknowledged each event."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from pydantic import ValidationError

from camfleet_contract.events import Event
from recorder.batches import tell_in_parts
from recorder.clock import Clock
from recorder.control_plane import ControlPlane
from recorder.errors import CallRefused
from recorder.spool import SceneEvent, Spool

HOUR = timedelta(hours=1)

log = structlog.get_logger(__name__)


class EventReports:
    """Scene events go last: nothing waits for them."""

    def __init__(self, control_plane: ControlPlane, spool: Spool, *, clock: Clock) -> None:
        self._control_plane = control_plane
        self._events = spool.events
        self._clock = clock

    async def report_events(self) -> bool:
        """One batch; whether there may be more. Raises `ControlPlaneError`, and loses nothing by it."""
        events = await asyncio.to_thread(self._events.to_report, self._clock.now())
        if events:
            await tell_in_parts(events, self._tell, self._give_up)
        return bool(events)

    async def _tell(self, batch: Sequence[SceneEvent]) -> None:
        readable = {event.id: message for event in batch if (message := _told(event)) is not None}
        answer = await self._control_plane.report_events(list(readable.values()))
        verdicts = {verdict.id: verdict for verdict in answer.events if verdict.id is not None}
        stored = [event for event in batch if event.id in verdicts and verdicts[event.id].verdict == "stored"]
        refused = [event for event in batch if event not in stored]
        for event in refused:
            reason = verdicts[event.id].reason if event.id in verdicts else "no verdict"
            log.warning("event_refused", event_id=event.id, reason=reason)
        await asyncio.to_thread(self._events.mark_reported, stored)
        await asyncio.to_thread(self._events.postpone, [event.id for event in refused], self._clock.now() + HOUR)

    async def _give_up(self, event: SceneEvent, refusal: CallRefused) -> None:
        log.warning("event_refused", event_id=event.id, reason=str(refusal))
        await asyncio.to_thread(self._events.postpone, [event.id], self._clock.now() + HOUR)


def _told(event: SceneEvent) -> Event | None:
    try:
        return Event(
            id=event.id,
            camera_id=event.camera_id,
            kind=event.kind,
            begin=event.begin,
            end=event.end,
            usual=dict(event.usual),
            seen=dict(event.seen),
        )
    except ValidationError:
        # A row that no message can be made of must not stop the others.
        return None
