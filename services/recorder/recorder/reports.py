"""Tells the control plane what the spool holds, until it has acknowledged each row."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus

import structlog
from pydantic import ValidationError

from camfleet_contract.gaps import Gap
from camfleet_contract.recordings import RecordingStatusReport
from recorder.backoff import Backoff
from recorder.batches import tell_in_parts
from recorder.clock import Clock
from recorder.control_plane import ControlPlane
from recorder.errors import CallRefused, ControlPlaneError, TokenRefused
from recorder.event_reports import EventReports
from recorder.offers import Offers
from recorder.spool import MissedFootage, Recording, Spool

log = structlog.get_logger(__name__)

POLL = timedelta(seconds=5)
TOKEN_REFUSED_PAUSE = timedelta(minutes=5)
UNSUPPORTED_PAUSE = timedelta(minutes=1)  # not longer: a proxy answers 404 too, while the service restarts
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
REASON_CHARACTERS = 2000
GAP_KEPT = timedelta(days=90)
"""A gap that is refused is told again for so long: its camera may be given back, its control plane be upgraded."""


class Reports:
    """Drains the spool: recordings first, since their segments are refused before; then all the rest, events last."""

    def __init__(
        self,
        control_plane: ControlPlane,
        spool: Spool,
        offers: Offers,
        *,
        clock: Clock,
        backoff: Backoff | None = None,
        poll: timedelta = POLL,
    ) -> None:
        self._control_plane = control_plane
        self._spool = spool
        self._clock = clock
        self._backoff = backoff or Backoff()
        self._poll = poll
        self._woken = asyncio.Event()
        events = EventReports(control_plane, spool, clock=clock)
        self._steps = (self._register, self._report_statuses, self._report_gaps, offers.drain, events.report_events)
        self._not_before: dict[Callable[[], Awaitable[bool]], datetime] = {}
        self._unsupported: dict[Callable[[], Awaitable[bool]], str] = {}
        """What was said last, and logged."""

    def wake(self) -> None:
        """There is something to tell."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                more = await self.drain()
                failures = 0
            except TokenRefused:
                await asyncio.sleep(TOKEN_REFUSED_PAUSE.total_seconds())
                continue
            except (ControlPlaneError, sqlite3.Error) as error:
                # A full disk passes, and so does an outage. Not shortened by `wake`: new segments every second would
                # mean a call every second.
                failures += 1
                pause = self._backoff.wait(failures)
                log.debug("reports_wait", reason=str(error), seconds=pause.total_seconds())
                await asyncio.sleep(pause.total_seconds())
                continue
            if not more:
                await self._rest()

    async def drain(self) -> bool:
        """One batch of everything; whether there may be more. Raises `ControlPlaneError`, and loses nothing by it."""
        more, now = False, self._clock.now()
        for step in self._steps:
            if step in self._not_before and now < self._not_before[step]:
                continue
            try:
                more |= await step()
                self._unsupported.pop(step, None)
            except CallRefused as refusal:
                # An older control plane lacks the call. The rows wait, the other steps go on.
                if self._unsupported.get(step) != str(refusal):
                    log.warning("call_unsupported", step=step.__name__.strip("_"), reason=str(refusal))
                self._unsupported[step] = str(refusal)
                self._not_before[step] = now + UNSUPPORTED_PAUSE
        return more

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(self._poll.total_seconds()):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _register(self) -> bool:
        spool = self._spool.recordings
        recordings = await asyncio.to_thread(spool.to_register, self._clock.now())
        for recording in recordings:
            try:
                await self._control_plane.register(
                    recording.id, recording.camera_id, recording.schedule_id, recording.name, recording.started_at
                )
            except CallRefused as refusal:
                log.warning("recording_refused", recording_id=recording.id, reason=str(refusal))
                now = self._clock.now()
                await asyncio.to_thread(spool.refuse, recording.id, now, now + HOUR)
            else:
                await asyncio.to_thread(spool.mark_registered, recording.id)
        return bool(recordings)

    async def _report_statuses(self) -> bool:
        spool = self._spool.recordings
        recordings = await asyncio.to_thread(spool.to_report, self._clock.now())
        for recording in recordings:
            try:
                await self._control_plane.report_status(_status_report(recording))
            except CallRefused as refusal:
                log.warning("recording_status_refused", recording_id=recording.id, reason=str(refusal))
                now = self._clock.now()
                if refusal.status == HTTPStatus.NOT_FOUND:
                    await asyncio.to_thread(spool.mark_unregistered, recording.id)
                    await asyncio.to_thread(spool.postpone, recording.id, now + MINUTE)
                else:
                    await asyncio.to_thread(spool.refuse, recording.id, now, now + HOUR)
            else:
                await asyncio.to_thread(spool.mark_reported, recording.id, recording.status)
        return bool(recordings)

    async def _report_gaps(self) -> bool:
        gaps = await asyncio.to_thread(self._spool.gaps.to_report, self._clock.now())
        if gaps:
            await tell_in_parts(gaps, self._tell_gaps, self._give_up_gap)
        return bool(gaps)

    async def _tell_gaps(self, batch: Sequence[MissedFootage]) -> None:
        spool = self._spool.gaps
        readable = {gap.id: message for gap in batch if (message := _gap(gap)) is not None}
        answer = await self._control_plane.report_gaps(list(readable.values()))
        verdicts = {verdict.id: verdict for verdict in answer.gaps if verdict.id is not None}
        stored = {gap_id for gap_id, verdict in verdicts.items() if verdict.verdict == "stored"}
        done = [gap for gap in batch if gap.id in stored]
        await asyncio.to_thread(spool.mark_reported, done)
        for gap in batch:
            if gap.id not in stored:
                verdict = verdicts.get(gap.id)
                is_final = gap.id not in readable or (verdict is not None and verdict.final)
                await self._gap_refused(gap, verdict.reason if verdict else "no verdict", is_final=is_final)

    async def _give_up_gap(self, gap: MissedFootage, refusal: CallRefused) -> None:
        await self._gap_refused(gap, str(refusal), is_final=False)

    async def _gap_refused(self, gap: MissedFootage, reason: str, *, is_final: bool) -> None:
        """Kept for another time, or dropped: nobody will ever want it, and its row would stay for ever."""
        now = self._clock.now()
        told = {"gap_id": str(gap.id), "camera_id": str(gap.camera_id), "reason": reason}
        if is_final or now - gap.end > GAP_KEPT:
            log.warning("gap_given_up", **told, cause=str(gap.cause), start=str(gap.start), end=str(gap.end))
            await asyncio.to_thread(self._spool.gaps.mark_reported, [gap])
        else:
            log.warning("gap_refused", **told)
            await asyncio.to_thread(self._spool.gaps.postpone, [gap.id], now + HOUR)


def _status_report(recording: Recording) -> RecordingStatusReport:
    return RecordingStatusReport(
        recording_id=recording.id,
        status=recording.status,
        frames_recorded=recording.frames,
        file_size=recording.size_bytes,
        error_message=recording.error_message[:REASON_CHARACTERS] if recording.error_message else None,
        error_code=recording.error_code,
        started_at=recording.started_at,
        ended_at=recording.ended_at,
    )


def _gap(gap: MissedFootage) -> Gap | None:
    try:
        return Gap(
            id=gap.id,
            camera_id=gap.camera_id,
            schedule_id=gap.schedule_id,
            recording_id=gap.recording_id,
            start=gap.start,
            end=gap.end,
            cause=gap.cause,
            detail=gap.detail[:REASON_CHARACTERS],
        )
    except ValidationError:
        # A clock that stepped can leave a gap of no length: it must not stop the others.
        return None
