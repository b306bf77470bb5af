"""The rebuild itself: the store is walked once, in order, and compared with the database day by day of each camera."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from datetime import date, datetime
from itertools import islice

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.models import SegmentState
from control_plane.partitions import ensure_month
from control_plane.rebuild.comparison import SegmentRow, differences
from control_plane.rebuild.findings import Finding, Kind, Summary
from control_plane.rebuild.objects import Candidate, Checksums, Day, Described, Reading, described, read, with_recording
from control_plane.rebuild.placeholders import make_placeholders
from control_plane.rebuild.rows import (
    KnownRecording,
    Stretch,
    all_cameras,
    make_recordings,
    make_segments,
    months_of,
    recordings_of,
    segments_in,
)
from control_plane.rebuild.telling import tell_rebuilt
from control_plane.stores import Store

_BATCH = 500
"""Objects of one transaction, or one camera's day if it has more."""
_AT_ONCE = 16

Key = tuple[uuid.UUID, uuid.UUID]
"""Camera and segment."""


class Rebuild:
    """Nothing that exists is changed, so it may be repeated, and goes on where it was stopped."""

    def __init__(
        self,
        sessions: async_sessionmaker[AsyncSession],
        store: Store,
        summary: Summary,
        *,
        clock: Callable[[], datetime],
        is_dry: bool = False,
        with_checksums: bool = False,
    ) -> None:
        """`with_checksums`: also what the database knows is read and compared byte by byte."""
        self._sessions, self._store, self._summary = sessions, store, summary
        self._clock, self._is_dry, self._with_checksums = clock, is_dry, with_checksums
        self._began = clock()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._months: set[date] = set()
        self._seen: set[uuid.UUID] = set()
        """Cameras of which there are objects."""
        self._reached: Day | None = None
        """The last day that was compared."""

    async def run(self) -> None:
        """All of it. StoreUnavailableError, and what the database raises; then run it again."""
        batch: list[Day] = []
        async for day in self._days():
            batch.append(day)
            if sum(len(each.objects) for each in batch) >= _BATCH:
                await self._settle(batch)
                batch = []
        await self._settle(batch)
        if self._reached is not None:
            await self._tell_missing([Stretch(self._reached.camera_id, self._reached.end, None)])
        async with self._sessions() as session:
            unseen = (camera for camera in await all_cameras(session) if camera not in self._seen)
        while some := list(islice(unseen, _BATCH)):
            await self._tell_missing(Stretch(camera, None, None) for camera in some)

    async def _days(self) -> AsyncIterator[Day]:
        """The objects that are ours, by camera and day. The store lists them so that those of one are in a row."""
        gathered: list[Candidate] = []
        async for page in self._store.listed():
            for listed in page:
                self._summary.objects += 1
                self._summary.size_bytes += listed.size_bytes
                candidate = Candidate.of(listed)
                if candidate is None:
                    self._summary.add(Finding(Kind.FOREIGN, listed.name))
                    continue
                if gathered and (gathered[0].camera_id, gathered[0].day) != (candidate.camera_id, candidate.day):
                    yield Day(gathered[0].camera_id, gathered[0].day, gathered)
                    gathered = []
                gathered.append(candidate)
        if gathered:
            yield Day(gathered[0].camera_id, gathered[0].day, gathered)

    async def _settle(self, days: Sequence[Day]) -> None:
        """Compare what is known of these days, and make what is not."""
        candidates: dict[Key, list[Candidate]] = {}
        for each in (each for day in days for each in day.objects):
            candidates.setdefault((each.camera_id, each.segment_id), []).append(each)
        known: dict[Key, SegmentRow] = {}
        async with self._sessions() as session:
            async for row in segments_in(session, self._stretches(days)):
                if (row.camera_id, row.id) in candidates:
                    known[row.camera_id, row.id] = row
                else:
                    self._missing(row)
        async with asyncio.TaskGroup() as tasks:
            comparing = [
                tasks.create_task(self._compared(row, self._one_of(candidates[key], row.object_name)))
                for key, row in known.items()
                if row.is_settled(self._began)
            ]
            describing = [
                tasks.create_task(self._described(each))
                for key, some in candidates.items()
                if key not in known
                for each in some
            ]
        for task in comparing:
            finding = task.result()
            if finding is None:
                self._summary.agreed += 1
            else:
                self._summary.add(finding)
        found = [found for task in describing if (found := self._usable(task.result()))]
        await self._make(self._one_a_segment(found))

    def _one_of(self, candidates: Sequence[Candidate], name: str) -> Candidate:
        """The one that its row names, if it is among them. The others are told: no id is ever used again."""
        ours = next((each for each in candidates if each.object.name == name), candidates[0])
        for other in candidates:
            if other is not ours:
                self._summary.add(_taken(other, ours))
        return ours

    def _one_a_segment(self, found: Iterable[Described]) -> Sequence[Described]:
        """The first of each."""
        firsts: dict[Key, Described] = {}
        for each in found:
            first = firsts.setdefault((each.candidate.camera_id, each.candidate.segment_id), each)
            if first is not each:
                self._summary.add(_taken(each.candidate, first.candidate))
        return list(firsts.values())

    def _stretches(self, days: Sequence[Day]) -> Iterable[Stretch]:
        """Each day with the time since the camera's day before it: of that there are no objects."""
        for day in days:
            before = self._reached
            self._reached = day
            self._seen.add(day.camera_id)
            if before is not None and before.camera_id == day.camera_id:
                yield Stretch(day.camera_id, before.end, day.end)
            else:
                if before is not None:
                    yield Stretch(before.camera_id, before.end, None)
                yield Stretch(day.camera_id, None, day.end)

    async def _compared(self, row: SegmentRow, candidate: Candidate) -> Finding | None:
        listed = candidate.object
        reading: Reading | Finding = Reading(None, Checksums(listed.crc32c, None))
        if self._with_checksums or listed.metadata:
            async with self._turns:
                reading = await read(self._store, candidate, may_read_all=self._with_checksums)
        if isinstance(reading, Finding):
            return reading
        differing = differences(row, candidate, self._store.url, reading.description, reading.checksums)
        return Finding(Kind.DIFFERENT, listed.name, differences=differing) if differing else None

    async def _described(self, candidate: Candidate) -> Described | Finding:
        async with self._turns:
            reading = await read(self._store, candidate, may_read_all=not self._is_dry)
        return reading if isinstance(reading, Finding) else described(candidate, reading)

    def _usable(self, found: Described | Finding) -> Described | None:
        if isinstance(found, Described):
            return found
        self._summary.add(found)
        return None

    async def _make(self, found: Sequence[Described]) -> None:
        async with self._sessions() as session:
            recordings = dict(await recordings_of(session, (each.description.recording_id for each in found)))
        fitting: list[Described] = []
        new: list[Described] = []
        for each in found:
            about = each.description
            of_object = KnownRecording(each.client_id, about.camera_id)
            if about.recording_id not in recordings:
                recordings[about.recording_id] = of_object
                new.append(each)
            known = recordings[about.recording_id]
            if known == of_object:
                fitting.append(each)
            else:
                told = f"its recording {about.recording_id} is one of camera {known.camera_id} by {known.client_id}"
                self._summary.add(Finding(Kind.CONTRADICTORY, each.candidate.object.name, told))
        if self._is_dry:
            for each in fitting:
                self._summary.add(Finding(Kind.MISSING_ROW, each.candidate.object.name))
            return
        if fitting:
            await self._write(fitting, new)

    async def _write(self, found: Sequence[Described], first_of_recordings: Sequence[Described]) -> None:
        """One transaction."""
        async with asyncio.TaskGroup() as tasks:
            asking = [tasks.create_task(with_recording(self._store, each)) for each in first_of_recordings]
        about = [task.result() for task in asking]
        async with self._sessions.begin() as session:
            for month in sorted(months_of(found) - self._months):
                await ensure_month(await session.connection(), "segments", month)
                self._months.add(month)
        async with self._sessions.begin() as session:
            # Retention leaves alone for a day what is made now: not since the run began, which may take days.
            now = self._clock()
            pairs = {(each.client_id, each.description.camera_id) for each in found}
            made = await make_placeholders(session, pairs)
            recordings = await make_recordings(session, list(zip(first_of_recordings, about, strict=True)), now)
            segments = await make_segments(session, found, self._store.url, now)
            await tell_rebuilt(session, found)
        self._summary.cameras += made.cameras
        self._summary.clients += made.clients
        self._summary.recordings += recordings
        self._summary.segments += segments

    async def _tell_missing(self, stretches: Iterable[Stretch]) -> None:
        async with self._sessions() as session:
            async for row in segments_in(session, stretches):
                self._missing(row)

    def _missing(self, row: SegmentRow) -> None:
        is_here = row.store_url in {"", self._store.url}
        if row.state is SegmentState.STORED and is_here and row.is_settled(self._began):
            self._summary.add(Finding(Kind.MISSING_OBJECT, row.object_name))


def _taken(candidate: Candidate, ours: Candidate) -> Finding:
    text = f"the segment {candidate.segment_id} is {ours.object.name} already"
    return Finding(Kind.CONTRADICTORY, candidate.object.name, text)
