"""`fetches/`: footage that is wanted now, whatever else waits at its recorder."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, status
from pydantic import ConfigDict
from sqlalchemy import select

from camfleet_contract.messages import Message, Utc
from control_plane.cctv import examples
from control_plane.cctv.answers import FetchAnswer
from control_plane.cctv.callers import KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.paging import Limit, Page, TimeCursor, page_by_time
from control_plane.cctv.refusals import CONFLICT, NOT_FOUND, NOT_JSON
from control_plane.database import Session
from control_plane.fleet.visibility import of_cameras
from control_plane.models import Fetch
from control_plane.recordings import fetches

router = APIRouter(route_class=KeyRoute, tags=["fetches"])


class NewFetch(Message):
    """Which footage."""

    model_config = ConfigDict(extra="forbid")

    camera_id: UUID
    start: Utc
    end: Utc
    """One that is still to come counts as now."""


@router.get("/fetches/")
async def list_fetches(
    session: Session,
    caller: Viewer,
    camera_id: UUID | None = None,
    client_id: UUID | None = None,
    is_open: Annotated[bool | None, Query(description="Neither ended nor expired.")] = None,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[FetchAnswer]:
    """List what was asked for, newest first."""
    now = datetime.now(UTC)
    query = select(Fetch).where(of_cameras(caller, Fetch.camera_id))
    if camera_id:
        query = query.where(Fetch.camera_id == camera_id)
    if client_id:
        query = query.where(Fetch.client_id == client_id)
    if is_open is not None:
        open_now = Fetch.ended_at.is_(None) & (Fetch.expires_at > now)
        query = query.where(open_now if is_open else ~open_now)
    keys = (Fetch.asked_at, Fetch.id)
    found, next_cursor = await page_by_time(session, query, keys, cursor, limit, newest_first=True)
    return Page(items=[FetchAnswer.of(fetch, now) for fetch in found], next_cursor=next_cursor)


@router.post("/fetches/", status_code=status.HTTP_201_CREATED, responses=NOT_JSON | NOT_FOUND | CONFLICT)
async def fetch_interval(
    session: Session, caller: OperatorCaller, new: Annotated[NewFetch, Body(openapi_examples=examples.NEW_FETCH)]
) -> list[FetchAnswer]:
    """Ask for one interval of one camera; one answer for each recorder that is asked.

    Their segments are uploaded before all others, also outside the recorder's hours of uploading and with its limit
    kept. It ends by itself: when all are stored, when there is nothing, or after seven days. Asking twice is safe.
    """
    now = datetime.now(UTC)
    asked = await fetches.fetch_interval(
        session, new.camera_id, new.start, new.end, now=now, actor=caller.actor, seen_by=caller
    )
    return [FetchAnswer.of(fetch, now) for fetch in asked]


@router.get("/fetches/{fetch_id}/", responses=NOT_FOUND)
async def show_fetch(session: Session, caller: Viewer, fetch_id: UUID) -> FetchAnswer:
    """Show how far it is."""
    return FetchAnswer.of(await fetches.find_fetch(session, fetch_id, seen_by=caller), datetime.now(UTC))


@router.post("/fetches/{fetch_id}/cancel/", responses=NOT_FOUND)
async def cancel_fetch(session: Session, caller: OperatorCaller, fetch_id: UUID) -> FetchAnswer:
    """Let the footage wait for its turn like all other. Cancelling twice is safe."""
    now = datetime.now(UTC)
    fetch = await fetches.find_fetch(session, fetch_id, seen_by=caller, for_change=True)
    return FetchAnswer.of(await fetches.cancel(session, fetch, now=now, actor=caller.actor), now)


@router.post("/recordings/{recording_id}/fetch/", responses=NOT_FOUND | CONFLICT)
async def fetch_recording(session: Session, caller: OperatorCaller, recording_id: UUID) -> FetchAnswer:
    """Ask for all of a recording, until now where it goes on. Asking twice is safe."""
    now = datetime.now(UTC)
    asked = await fetches.fetch_recording(session, recording_id, now=now, actor=caller.actor, seen_by=caller)
    return FetchAnswer.of(asked, now)
