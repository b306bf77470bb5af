"""`commands/`: what recorders are asked now, and what they answered."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, Response, status
from pydantic import ConfigDict, Field
from sqlalchemy import select

from camfleet_contract.commands import LONGEST_MINUTES, CommandKind
from camfleet_contract.messages import Message
from control_plane.cctv import examples
from control_plane.cctv.callers import AdminCaller, KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.command_answers import CommandAnswer
from control_plane.cctv.paging import Limit, Page, TimeCursor, page_by_time
from control_plane.cctv.refusals import CONFLICT, NOT_FOUND, NOT_JSON, Responses
from control_plane.commands import asking, pictures
from control_plane.commands.following import LONGEST_WAIT_SECONDS, follow
from control_plane.commands.states import is_open as is_open_at
from control_plane.database import Session
from control_plane.fleet.visibility import of_clients
from control_plane.models import Command
from control_plane.services import Shared

router = APIRouter(route_class=KeyRoute, tags=["commands"])

_ASKED = NOT_FOUND | CONFLICT
_PICTURE: Responses = {
    200: {
        "description": "The picture.",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class Manual(Message):
    """How long to record."""

    model_config = ConfigDict(extra="forbid")

    minutes: Annotated[int, Field(ge=1, le=LONGEST_MINUTES)]


@router.post("/cameras/{camera_id}/test/", status_code=status.HTTP_202_ACCEPTED, responses=_ASKED)
async def test_camera(session: Session, caller: OperatorCaller, camera_id: UUID) -> CommandAnswer:
    """Let the camera's recorder open its stream as it would record it, until the first keyframe.

    It answers within seconds: `GET commands/{id}/?wait=20`. 409 while no recorder could do it now. Asking twice asks
    once.
    """
    return await _ask(session, caller, camera_id, CommandKind.TEST_CAMERA)


@router.post("/cameras/{camera_id}/snapshot/", status_code=status.HTTP_202_ACCEPTED, responses=_ASKED)
async def take_snapshot(session: Session, caller: OperatorCaller, camera_id: UUID) -> CommandAnswer:
    """Ask for one picture, which is kept for an hour: `GET commands/{id}/?wait=20`, then `commands/{id}/image/`."""
    return await _ask(session, caller, camera_id, CommandKind.SNAPSHOT)


@router.post("/cameras/{camera_id}/record/", status_code=status.HTTP_202_ACCEPTED, responses=_ASKED | NOT_JSON)
async def start_recording(
    session: Session,
    caller: OperatorCaller,
    camera_id: UUID,
    manual: Annotated[Manual, Body(openapi_examples=examples.MANUAL)],
) -> CommandAnswer:
    """Begin a manual recording. Once it is `done`, `recording` names it and says when it will end."""
    return await _ask(session, caller, camera_id, CommandKind.START_RECORDING, manual.minutes)


@router.post("/cameras/{camera_id}/stop/", status_code=status.HTTP_202_ACCEPTED, responses=_ASKED)
async def stop_recording(session: Session, caller: OperatorCaller, camera_id: UUID) -> CommandAnswer:
    """End what is being recorded of the camera, by hand or by a schedule; its next window begins on time."""
    return await _ask(session, caller, camera_id, CommandKind.STOP_RECORDING)


@router.post("/clients/{client_id}/restart/", status_code=status.HTTP_202_ACCEPTED, responses=_ASKED)
async def restart_client(session: Session, caller: AdminCaller, client_id: UUID) -> CommandAnswer:
    """Let the recorder end cleanly, so that its service manager starts it anew: its cameras miss some seconds."""
    now = datetime.now(UTC)
    return CommandAnswer.of(await asking.ask_to_restart(session, client_id, now=now, by=caller), now)


@router.get("/commands/")
async def list_commands(
    session: Session,
    caller: Viewer,
    camera_id: UUID | None = None,
    client_id: UUID | None = None,
    kind: CommandKind | None = None,
    is_open: Annotated[bool | None, Query(description="Neither over nor expired.")] = None,
    cursor: TimeCursor | None = None,
    limit: Limit = 50,
) -> Page[CommandAnswer]:
    """List what recorders were asked in the last 90 days, newest first."""
    now = datetime.now(UTC)
    query = select(Command).where(of_clients(caller, Command.client_id))
    if camera_id:
        query = query.where(Command.camera_id == camera_id)
    if client_id:
        query = query.where(Command.client_id == client_id)
    if kind:
        query = query.where(Command.kind == kind)
    if is_open is not None:
        query = query.where(is_open_at(now) if is_open else ~is_open_at(now))
    keys = (Command.asked_at, Command.id)
    found, next_cursor = await page_by_time(session, query, keys, cursor, limit, newest_first=True)
    return Page(items=[CommandAnswer.of(command, now) for command in found], next_cursor=next_cursor)


@router.get("/commands/{command_id}/", responses=NOT_FOUND)
async def show_command(
    services: Shared,
    caller: Viewer,
    command_id: UUID,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            description="Seconds. Answer as soon as it is over, or as it stands after that long.",
            examples=[LONGEST_WAIT_SECONDS],
        ),
    ] = 0,
) -> CommandAnswer:
    """Show how far it is, and what came of it."""
    command = await follow(services, command_id, wait, seen_by=caller)
    return CommandAnswer.of(command, datetime.now(UTC))


@router.get("/commands/{command_id}/image/", response_class=Response, responses=NOT_FOUND | _PICTURE)
async def show_picture(session: Session, services: Shared, caller: Viewer, command_id: UUID) -> Response:
    """Show the picture of a snapshot, for an hour."""
    picture = await pictures.picture_of(session, services.secrets, command_id, seen_by=caller, now=datetime.now(UTC))
    return Response(picture, media_type="image/jpeg", headers=pictures.HEADERS)


async def _ask(
    session: Session, caller: OperatorCaller, camera_id: UUID, kind: CommandKind, minutes: int | None = None
) -> CommandAnswer:
    now = datetime.now(UTC)
    asked = await asking.ask_of_camera(session, camera_id, kind, now=now, by=caller, minutes=minutes)
    return CommandAnswer.of(asked, now)
