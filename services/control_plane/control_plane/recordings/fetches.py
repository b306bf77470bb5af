"""Fetch now: intervals of footage that recorders are asked to upload before all other, and how far they are."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ScalarSelect, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.heartbeats import FetchProgress
from camfleet_contract.uploading import MOST_FETCHES
from control_plane.errors import Conflict, Invalid, NotFound
from control_plane.events import BACKGROUND, Actor, record_event
from control_plane.fleet.visibility import at_sites, of_cameras
from control_plane.models import Camera, Client, ClientCamera, Fetch, FetchEnd, Recording, Segment, SegmentState
from control_plane.recordings.holds import find_recording
from control_plane.recordings.moments import LONGEST_SEGMENT, plausible
from control_plane.security.principals import UNLIMITED, Principal

LIFETIME = timedelta(days=7)
"""A recorder that is away for so long isn't waited for: its footage comes in its turn."""
LONGEST = timedelta(days=31)
_LOOKED_AT = 1000
_MOST_LEFT = 2**31 - 1


class FetchState(StrEnum):
    """How far an interval that was asked for is."""

    ASKED = "asked"
    """The recorder has not said anything of it yet."""
    WAITING = "waiting"
    """The recorder has some of it, and uploads it before all other."""
    DONE = "done"
    NOTHING = "nothing"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


def state_of(fetch: Fetch, now: datetime) -> FetchState:
    """The state at `now`."""
    if fetch.result is not None:
        return FetchState(fetch.result)
    if fetch.expires_at <= now:
        return FetchState.EXPIRED
    return FetchState.ASKED if fetch.told_at is None else FetchState.WAITING


async def find_fetch(
    session: AsyncSession, fetch_id: uuid.UUID, *, seen_by: Principal, for_change: bool = False
) -> Fetch:
    """What was asked for; locked until the end of the transaction when it is to be changed."""
    query = select(Fetch).where(Fetch.id == fetch_id, of_cameras(seen_by, Fetch.camera_id))
    fetch = (await session.scalars(query.with_for_update() if for_change else query)).one_or_none()
    if fetch is None:
        raise NotFound(f"There is no fetch {fetch_id}.")
    return fetch


async def fetch_interval(
    session: AsyncSession,
    camera_id: uuid.UUID,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    actor: Actor,
    seen_by: Principal = UNLIMITED,
) -> list[Fetch]:
    """Ask every recorder that recorded the camera in the interval, else those that it is assigned to.

    An `end` that is still to come counts as `now`. Raises NotFound, Invalid, Conflict.
    """
    plausible("start", start)
    end = min(end, now)
    if end <= start:
        raise Invalid("end" if start < now else "start", "must be after the start" if start < now else "must be past")
    if end - start > LONGEST:
        raise Invalid("end", f"must be at most {LONGEST.days} days after the start")
    visible = select(Camera.id).where(Camera.id == camera_id, at_sites(seen_by, Camera.site_id))
    if await session.scalar(visible) is None:
        raise NotFound(f"There is no camera {camera_id}.")
    clients = await _recorders(session, camera_id, start, end)
    if not clients:
        raise Conflict("No recorder has recorded this camera then, and it is assigned to none.")
    return [await _ask(session, client_id, camera_id, start, end, now=now, actor=actor) for client_id in clients]


async def fetch_recording(
    session: AsyncSession, recording_id: uuid.UUID, *, now: datetime, actor: Actor, seen_by: Principal = UNLIMITED
) -> Fetch:
    """Ask the recording's recorder for all of it, until `now` where it goes on. Raises NotFound, Conflict."""
    recording = await find_recording(session, recording_id, seen_by=seen_by)
    end = min(recording.ended_at or now, now)
    if end <= recording.started_at:
        raise Conflict("This recording has no length: there is nothing to fetch.")
    start = max(recording.started_at, end - LONGEST)
    return await _ask(session, recording.client_id, recording.camera_id, start, end, now=now, actor=actor)


async def cancel(session: AsyncSession, fetch: Fetch, *, now: datetime, actor: Actor) -> Fetch:
    """It waits for its turn like all other. Repeating changes nothing; `fetch` comes from `find_fetch`, for change."""
    if fetch.ended_at is None:
        _end(session, fetch, FetchEnd.CANCELLED, now, actor)
        await session.flush()
    return fetch


async def end_expired(session: AsyncSession, now: datetime) -> int:
    """End what nobody waits for any more; how many there were, some at a time."""
    query = select(Fetch).where(Fetch.ended_at.is_(None), Fetch.expires_at <= now).order_by(Fetch.expires_at, Fetch.id)
    expired = (await session.scalars(query.limit(_LOOKED_AT).with_for_update(skip_locked=True))).all()
    for fetch in expired:
        _end(session, fetch, FetchEnd.EXPIRED, now, BACKGROUND)
    await session.flush()
    return len(expired)


async def take_in_progress(
    session: AsyncSession, client_id: uuid.UUID, told: Sequence[FetchProgress], now: datetime
) -> None:
    """What a recorder says of what it was asked for. Of what is over, or another's, nothing is changed."""
    by_id = {progress.id: progress for progress in told}
    if not by_id:
        return
    query = select(Fetch).where(Fetch.client_id == client_id, Fetch.ended_at.is_(None), Fetch.id.in_(by_id))
    for fetch in await session.scalars(query.order_by(Fetch.id).with_for_update()):
        progress = by_id[fetch.id]
        fetch.told_at = fetch.told_at or now
        fetch.segments_left = min(progress.segments, _MOST_LEFT)
        fetch.bytes_left = progress.bytes
        if not progress.segments:
            result = FetchEnd.DONE if await _is_stored(session, fetch) else FetchEnd.NOTHING
            _end(session, fetch, result, now, Actor(f"client:{client_id}"))
    await session.flush()


def open_fetches(client_id: uuid.UUID) -> ScalarSelect[Any]:
    """What a client is asked for, as a JSON array of the contract's `Fetch`: part of the query for its configuration.

    What has expired goes with the next change; the recorder itself ends it on time.
    """
    shown = func.jsonb_build_object(
        "id", Fetch.id, "camera_id", Fetch.camera_id, "start", Fetch.start_at, "end", Fetch.end_at,
        "expires_at", Fetch.expires_at,
    )  # fmt: skip
    return (
        select(func.jsonb_agg(shown))
        .where(Fetch.client_id == client_id, Fetch.ended_at.is_(None), Fetch.expires_at > func.now())
        .scalar_subquery()
    )


async def _recorders(
    session: AsyncSession, camera_id: uuid.UUID, start: datetime, end: datetime
) -> Sequence[uuid.UUID]:
    latest = (
        select(Recording.client_id, Recording.ended_at)
        .where(Recording.camera_id == camera_id, Recording.started_at < end)
        .order_by(Recording.started_at.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    recorded = select(latest.c.client_id).where(or_(latest.c.ended_at.is_(None), latest.c.ended_at > start))
    assigned = select(ClientCamera.client_id).where(ClientCamera.camera_id == camera_id)
    for clients in (recorded, assigned):
        query = select(Client.id).where(Client.id.in_(clients), Client.is_active).order_by(Client.id)
        if found := list(await session.scalars(query)):
            return found
    return []


async def _ask(
    session: AsyncSession,
    client_id: uuid.UUID,
    camera_id: uuid.UUID,
    start: datetime,
    end: datetime,
    *,
    now: datetime,
    actor: Actor,
) -> Fetch:
    # Two at a time must not pass the limit together, nor ask for the same.
    await session.execute(select(Client.id).where(Client.id == client_id).with_for_update(key_share=True))
    is_open = (Fetch.client_id == client_id, Fetch.ended_at.is_(None), Fetch.expires_at > now)
    same = (Fetch.camera_id == camera_id, Fetch.start_at == start, Fetch.end_at == end)
    known = (await session.scalars(select(Fetch).where(*is_open, *same))).first()
    if known is not None:
        return known
    if (await session.scalar(select(func.count()).select_from(Fetch).where(*is_open)) or 0) >= MOST_FETCHES:
        raise Conflict(f"This recorder is asked for {MOST_FETCHES} intervals already: wait for them, or cancel some.")
    fetch = Fetch(
        client_id=client_id,
        camera_id=camera_id,
        start_at=start,
        end_at=end,
        asked_at=now,
        asked_by=actor.name,
        expires_at=now + LIFETIME,
    )
    session.add(fetch)
    await session.flush()
    _record(session, fetch, "camera.fetch_asked", actor)
    return fetch


async def _is_stored(session: AsyncSession, fetch: Fetch) -> bool:
    stored = exists().where(
        Segment.camera_id == fetch.camera_id,
        Segment.client_id == fetch.client_id,
        Segment.started_at > fetch.start_at - LONGEST_SEGMENT,
        Segment.started_at < fetch.end_at,
        Segment.ended_at > fetch.start_at,
        Segment.state == SegmentState.STORED,
    )
    return bool(await session.scalar(select(stored)))


def _end(session: AsyncSession, fetch: Fetch, result: FetchEnd, now: datetime, actor: Actor) -> None:
    fetch.ended_at, fetch.result = now, result
    _record(session, fetch, "camera.fetch_ended", actor, result=result)


def _record(session: AsyncSession, fetch: Fetch, kind: str, actor: Actor, **more: object) -> None:
    detail = {"fetch_id": fetch.id, "client_id": fetch.client_id, "start": fetch.start_at, "end": fetch.end_at}
    record_event(session, "camera", fetch.camera_id, kind, actor, detail | more)
