"""Uploads sealed segments, several at a time, until the spool has none that may go now."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import structlog

from recorder.backoff import Backoff
from recorder.clock import Clock
from recorder.errors import (
    LocalFileDamaged,
    ObjectDiffers,
    SecretUnreadable,
    SpoolError,
    StorageError,
    StorageUnavailable,
    UploadsClosed,
    UploadSessionGone,
)
from recorder.offers import name_of
from recorder.spool import Segment, Spool
from recorder.storage.interface import Storage, Upload
from recorder.turns import Turns
from recorder.uplink import Sent, Uplink
from recorder.vault import Vault

log = structlog.get_logger(__name__)

POLL = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class StoreState:
    """How the uploads fare."""

    error: str = ""
    since: datetime | None = None
    last_upload: datetime | None = None
    uploaded: int = 0
    """Segments since the start."""


class Uploads:
    """So many workers that take one segment each, and one that takes only what somebody waits for.

    Nothing here ever makes a camera wait.
    """

    def __init__(
        self,
        spool: Spool,
        store: Storage,
        vault: Vault,
        *,
        clock: Clock,
        uplink: Uplink,
        turns: Turns,
        parallel: int,
        on_uploaded: Callable[[], None],
        ahead: int = 1,
        backoff: Backoff | None = None,
        poll: timedelta = POLL,
    ) -> None:
        """`ahead`: how many of those whose turn it is may have a session, where somebody else opens them."""
        self._spool = spool
        self._store = store
        self._vault = vault
        self._clock = clock
        self._uplink = uplink
        self.turns = turns
        self._parallel = parallel
        self._ahead = ahead
        self._on_uploaded = on_uploaded
        self._backoff = backoff or Backoff()
        self._poll = poll
        self._woken, self._woken_for_urgent = asyncio.Event(), asyncio.Event()
        self._choosing = asyncio.Lock()
        self._gone: Counter[UUID] = Counter()
        self._refused: set[UUID] = set()
        self._failures = 0
        self.state = StoreState()

    def wake(self) -> None:
        """There is something to upload."""
        self._woken.set()
        self._woken_for_urgent.set()

    async def run(self) -> None:
        """Until cancelled; what is half uploaded goes on from there after the next start."""
        async with asyncio.TaskGroup() as workers:
            workers.create_task(self._check_store())
            for _ in range(self._parallel):
                workers.create_task(self._work(self._next))
            workers.create_task(self._work(self._next_urgent))

    async def _check_store(self) -> None:
        """Until it is usable: a disk that isn't mounted is told at once, not after the first segment."""
        failures, told = 0, ""
        while True:
            try:
                await self._store.check()
            except StorageError as error:
                failures, told = failures + 1, str(error)
                self._tell(told)
                await asyncio.sleep(self._backoff.wait(failures).total_seconds())
            else:
                if self.state.error == told:
                    self.state = replace(self.state, error="", since=None)
                return

    async def _work(self, next_one: Callable[[], Awaitable[Segment]]) -> None:
        while True:
            segment = await next_one()
            try:
                with self._uplink.throughput.wanted():
                    await self._upload(segment)
            except UploadsClosed:
                continue  # it goes on from there when the hours begin again
            except sqlite3.Error as error:
                # The disk is full: what was uploaded is compared, not sent, the next time.
                self._failed(StorageUnavailable(f"the spool can't be written: {error}"))
            finally:
                self.turns.leave(segment)

    async def _next(self) -> Segment:
        """The next segment, taken; waits until there is one, and longer while the store fails."""
        async with self._choosing:
            if self._failures:
                with self._uplink.throughput.wanted():
                    await asyncio.sleep(self._backoff.wait(self._failures).total_seconds())
            while True:
                self._woken.clear()
                waiting = await self._look(self.turns.upcoming)
                if (chosen := self._taken(waiting)) is not None:
                    return chosen
                # Without a session, or refused for a while: bytes that are wanted and don't go.
                is_held_up = self._uplink.flow.is_open and bool(waiting or self._failures)
                with self._uplink.throughput.wanted() if is_held_up else nullcontext():
                    await self._rest(self._woken)

    async def _next_urgent(self) -> Segment:
        """The same for what somebody waits for: that does not even wait until an upload ends."""
        while True:
            if self._failures:
                # Else a store that fails, or a full boot disk, would be asked as fast as it can answer.
                await asyncio.sleep(self._backoff.wait(self._failures).total_seconds())
            self._woken_for_urgent.clear()
            chosen = self._taken(await self._look(self.turns.urgent)) if self._uplink.fetches() else None
            if chosen is not None:
                return chosen
            await self._rest(self._woken_for_urgent)

    async def _look(self, turns: Callable[[int], list[Segment]]) -> list[Segment]:
        try:
            return await asyncio.to_thread(turns, self._ahead if self._store.needs_session else 1)
        except sqlite3.Error as error:
            self._tell(f"the spool can't be read: {error}")
            return []

    def _taken(self, waiting: list[Segment]) -> Segment | None:
        for segment in waiting:
            may_go = segment.upload_session is not None or not self._store.needs_session
            if may_go and self.turns.take(segment):
                return segment
        return None

    async def _rest(self, woken: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(self._poll.total_seconds()):
                await woken.wait()
        except TimeoutError:
            return

    async def _upload(self, segment: Segment) -> None:
        sent = Sent()
        try:
            await self._send(segment, sent)
        finally:
            self._uplink.settle(sent)

    async def _send(self, segment: Segment, sent: Sent) -> None:
        spool, upload = self._spool.segments, self._as_upload(segment, sent)
        try:
            generation = await self._store.put(
                upload, SpooledSession(self._spool, self._vault, segment, upload.object_name)
            )
        except UploadSessionGone:
            await asyncio.to_thread(self._forget_session, segment, upload.object_name)
            self._on_uploaded()  # so that it is offered again, for another session
        except (LocalFileDamaged, ObjectDiffers) as error:
            try:
                await asyncio.to_thread(self._spool.check_disk)
            except SpoolError as missing:
                # All of them are out of reach, and all will be back.
                self._failed(StorageUnavailable(f"segments can't be read: {missing}"))
                return
            # This one alone; a person has to look. The store itself is well.
            log.warning("segment_not_uploaded", segment_id=segment.id, camera_id=segment.camera_id, reason=str(error))
            await asyncio.to_thread(spool.refuse, segment.id, str(error), self._clock.now() + HOUR)
        except StorageError as error:
            self._failed(error)
            wait = MINUTE
            if isinstance(error, StorageUnavailable):
                wait = max(self._backoff.wait(self._failures), error.asked)
            elif segment.id in self._refused:
                # Perhaps it is the session that is spoilt, which would live on for a week.
                self._refused.discard(segment.id)
                await asyncio.to_thread(spool.set_upload_session, segment.id, upload.object_name, None)
            else:
                self._refused.add(segment.id)
            await asyncio.to_thread(spool.refuse, segment.id, str(error), self._clock.now() + wait)
        else:
            await asyncio.to_thread(spool.mark_uploaded, segment.id, upload.object_name, generation)
            self._succeeded(segment)

    def _forget_session(self, segment: Segment, object_name: str) -> None:
        """The name stays, which tells the next offer that there was a session."""
        self._gone[segment.id] += 1
        if self._gone[segment.id] > 1:
            # First the wait, then the session: in between it would be offered.
            wait = self._backoff.wait(self._gone[segment.id])
            self._spool.segments.refuse(segment.id, "its upload sessions expire at once", self._clock.now() + wait)
        self._spool.segments.set_upload_session(segment.id, object_name, None)

    def _as_upload(self, segment: Segment, sent: Sent) -> Upload:
        sealed = segment.sealed
        if sealed is None:
            raise ValueError(f"segment {segment.id} is not sealed")
        return Upload(
            self._spool.segments.file(segment),
            segment.object_name or name_of(segment),
            sealed.size_bytes,
            sealed.crc32c,
            {
                # The same names as the control plane's, where that opens the upload.
                "segment-id": str(segment.id),
                "recording-id": str(segment.recording_id),
                "camera-id": str(segment.camera_id),
                "client-id": str(self._spool.client_id or ""),
                "recorder-id": str(self._spool.recorder_id),
                "start": sealed.start.isoformat(),
                "end": sealed.end.isoformat(),
                "sha256": sealed.sha256,
                "previous-sha256": segment.previous_sha256 or "",
                "sequence": "" if segment.sequence is None else str(segment.sequence),
                "link-sha256": segment.link_sha256 or "",
                "codec": sealed.codec,
                "packets": str(sealed.packets),
                "clock-error-seconds": "" if sealed.clock_error_seconds is None else str(sealed.clock_error_seconds),
            },
            partial(self._uplink.confirm, sent),
            partial(
                self._uplink.grant, sent, partial(self._uplink.is_urgent, segment.camera_id, sealed.start, sealed.end)
            ),
        )

    def _failed(self, error: StorageError) -> None:
        self._failures += 1
        self._tell(str(error))

    def _tell(self, text: str) -> None:
        before = self.state
        if before.error != text:
            log.warning("store_unusable", reason=text)
        since = before.since if before.error else self._clock.now()
        self.state = StoreState(text, since, before.last_upload, before.uploaded)

    def _succeeded(self, segment: Segment) -> None:
        if self.state.error:
            log.info("store_usable_again")
        self._failures = 0
        self._gone.pop(segment.id, None)
        self._refused.discard(segment.id)
        self.state = StoreState(last_upload=self._clock.now(), uploaded=self.state.uploaded + 1)
        log.info("segment_uploaded", segment_id=segment.id, camera_id=segment.camera_id)
        self._on_uploaded()


class SpooledSession:
    """The URI of an upload session, kept encrypted in the segment's row."""

    def __init__(self, spool: Spool, vault: Vault, segment: Segment, object_name: str) -> None:
        self._spool = spool
        self._vault = vault
        self._segment = segment
        self._object_name = object_name
        self._locked = segment.upload_session

    async def recall(self) -> str | None:
        """The URI, if there is one that the present token opens."""
        if self._locked is None:
            return None
        try:
            return self._vault.unlock(self._locked).decode()
        except SecretUnreadable:
            return None

    async def remember(self, uri: str | None) -> None:
        """Keeps or forgets it; durable when it returns."""
        self._locked = self._vault.lock(uri.encode()) if uri is not None else None
        name = self._object_name if uri is not None else None
        await asyncio.to_thread(self._spool.segments.set_upload_session, self._segment.id, name, self._locked)
