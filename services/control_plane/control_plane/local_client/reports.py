"""What a recorder reports: recordings, their states, segments, gaps and events."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Security
from pydantic import BeforeValidator

from camfleet_contract.cameras import Camera
from camfleet_contract.events import EventReport, EventsAnswer
from camfleet_contract.gaps import GapReport, GapsAnswer
from camfleet_contract.messages import Name, Utc
from camfleet_contract.recordings import RecordingRegistered, RecordingStatusAccepted, RecordingStatusReport
from camfleet_contract.segments import OfferBatch, OffersAnswer
from control_plane.database import Session
from control_plane.errors import Unauthorized
from control_plane.local_client import refusals
from control_plane.local_client.callers import KnownCaller, TokenRoute, bearer
from control_plane.local_client.examples import example_of
from control_plane.local_client.identities import UNKNOWN_TOKEN, Caller
from control_plane.recordings.gaps import take_in_gaps
from control_plane.recordings.offers import Desk, decide_offers
from control_plane.recordings.registration import Registration, check_registration, register
from control_plane.recordings.reports import apply_report, check_report
from control_plane.recordings.scene_events import take_in_events
from control_plane.services import Services, Shared

router = APIRouter(route_class=TokenRoute, dependencies=[Security(bearer)], responses=refusals.ALWAYS)


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


_Empty = BeforeValidator(_none_if_empty)


def _registration(
    camera_id: Annotated[uuid.UUID, Query(examples=[example_of(Camera)["id"]])],
    recording_name: Annotated[
        Name | None, _Empty, Query(description="Without one it has the camera's.", examples=["Yard by night"])
    ] = None,
    schedule_id: Annotated[
        uuid.UUID | None,
        _Empty,
        Query(description="Empty or left out for a manual recording; a strange one is ignored."),
    ] = None,
    recording_id: Annotated[
        uuid.UUID | None,
        _Empty,
        Query(description="The recorder's own UUIDv7: repeating the call returns it. Predecessor clients have none."),
    ] = None,
    started_at: Annotated[Utc | None, _Empty, Query(description="When the footage begins, if not now.")] = None,
) -> Registration:
    return Registration(camera_id, recording_name, schedule_id, recording_id, started_at)


@router.post(
    "/recordings/register",
    tags=["recordings"],
    responses=refusals.forbidden("this camera is not assigned to this client")
    | refusals.not_found("there is no such camera")
    | refusals.conflict("recording 0190… was registered for another camera, 0190…")
    | {200: {"content": {"application/json": {"example": example_of(RecordingRegistered)}}}},
)
async def register_recording(
    registration: Annotated[Registration, Depends(_registration)], shared: Shared, caller: KnownCaller
) -> RecordingRegistered:
    """Make a recording known. A repeat within 3 minutes, while nothing was reported of it, returns the same id."""
    check_registration(registration)
    return await take_in_registration(shared, caller.token_sha256, caller.address, registration)


async def take_in_registration(
    shared: Services, token_sha256: bytes, address: str | None, registration: Registration
) -> RecordingRegistered:
    """Register what was checked; committed when it returns. Raise Unauthorized, NotFound, Forbidden or Conflict."""
    registered = await shared.registrations.register(token_sha256, address, registration)
    if registered is None:
        raise Unauthorized(UNKNOWN_TOKEN)
    recording_id = registered.recording_id
    if recording_id is None:
        async with shared.sessions.begin() as session:
            recording_id = await register(session, registered.client_id, registration, datetime.now(UTC))
    return RecordingRegistered(recording_id=recording_id)


@router.post(
    "/recordings/status",
    tags=["recordings"],
    responses=refusals.WITH_BODY
    | refusals.not_found("there is no such recording")
    | {200: {"content": {"application/json": {"example": example_of(RecordingStatusAccepted)}}}},
)
async def report_status(
    report: Annotated[RecordingStatusReport, Body(examples=[example_of(RecordingStatusReport)])],
    shared: Shared,
    caller: KnownCaller,
) -> RecordingStatusAccepted:
    """Tell how far a recording has come. States only move forward; repeating a report changes nothing."""
    check_report(report)
    return await take_in_report(shared, caller.token_sha256, caller.address, report)


async def take_in_report(
    shared: Services, token_sha256: bytes, address: str | None, report: RecordingStatusReport
) -> RecordingStatusAccepted:
    """Apply a report that was checked; committed when it returns. Raise Unauthorized, or NotFound."""
    written = await shared.reports.apply(token_sha256, address, report)
    if written is None:
        raise Unauthorized(UNKNOWN_TOKEN)
    if not written.is_written:
        # Nobody else waits along for whoever holds the row.
        async with shared.sessions.begin() as session:
            await apply_report(session, written.client_id, report, datetime.now(UTC))
    return RecordingStatusAccepted()


@router.post(
    "/segments/offer",
    tags=["segments"],
    responses=refusals.WITH_BODY | {200: {"content": {"application/json": {"example": example_of(OffersAnswer)}}}},
)
async def offer_segments(
    batch: Annotated[OfferBatch, Body(examples=[example_of(OfferBatch)])], shared: Shared, caller: KnownCaller
) -> OffersAnswer:
    """Offer sealed segments until each is `stored`: the control plane has seen its object, with the same checksum.

    The answers stand in the order of the offers. An offer that makes no sense is `refused` with the reason; the others
    are decided as if it were not there.
    """
    return await take_in_offers(shared, caller, batch)


async def take_in_offers(shared: Services, caller: Caller, batch: OfferBatch) -> OffersAnswer:
    """Decide offers; what is `stored` is committed when it returns."""
    desk = Desk(shared.offer_rows, shared.store, shared.secrets)
    return OffersAnswer(segments=await decide_offers(desk, caller.client_id, batch.segments, datetime.now(UTC)))


@router.post(
    "/gaps",
    tags=["segments"],
    responses=refusals.WITH_BODY | {200: {"content": {"application/json": {"example": example_of(GapsAnswer)}}}},
)
async def report_gaps(
    report: Annotated[GapReport, Body(examples=[example_of(GapReport)])], session: Session, caller: KnownCaller
) -> GapsAnswer:
    """Tell what was due and not recorded. Repeating a report changes nothing.

    The answers stand in the order of the gaps. A gap that makes no sense is `refused` with the reason; the others are
    taken in as if it were not there.
    """
    return GapsAnswer(gaps=await take_in_gaps(session, caller.client_id, report.gaps))


@router.post(
    "/events",
    tags=["events"],
    responses=refusals.WITH_BODY | {200: {"content": {"application/json": {"example": example_of(EventsAnswer)}}}},
)
async def report_events(
    report: Annotated[EventReport, Body(examples=[example_of(EventReport)])], session: Session, caller: KnownCaller
) -> EventsAnswer:
    """Tell what was noticed about cameras' pictures, once it begins and again once it is over.

    Only of cameras that the caller records, or has recorded. The answers stand in the order of the events. One that
    makes no sense is `refused` with the reason; the others are taken in as if it were not there.
    """
    return EventsAnswer(events=await take_in_events(session, caller.client_id, caller.address, report.events))
