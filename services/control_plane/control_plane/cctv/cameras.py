"""`cameras/`: what is recorded."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Query, status
from fastapi.responses import StreamingResponse
from sqlalchemy import select

from camfleet_contract.messages import Utc
from control_plane.cctv import examples
from control_plane.cctv.answers import CameraAnswer
from control_plane.cctv.callers import KeyRoute, OperatorCaller, Viewer
from control_plane.cctv.paging import IdCursor, Limit, NameSearch, Page, containing, page_by_id
from control_plane.cctv.refusals import CONFLICT, NOT_FOUND, NOT_JSON
from control_plane.custody.exports import Download, prepare_export
from control_plane.database import Session
from control_plane.fleet import cameras
from control_plane.fleet.cameras import CameraChange, NewCamera, secret_columns
from control_plane.fleet.visibility import at_sites, check_site
from control_plane.models import Camera, ClientCamera
from control_plane.services import Shared

router = APIRouter(route_class=KeyRoute, tags=["cameras"])


@router.get("/cameras/")
async def list_cameras(
    session: Session,
    services: Shared,
    caller: Viewer,
    site_id: UUID | None = None,
    client_id: UUID | None = None,
    q: NameSearch = "",
    cursor: IdCursor | None = None,
    limit: Limit = 50,
) -> Page[CameraAnswer]:
    """List the cameras, oldest first: all, of a site, or those that a client records."""
    query = select(Camera).where(at_sites(caller, Camera.site_id)).options(*secret_columns())
    if site_id:
        query = query.where(Camera.site_id == site_id)
    if client_id:
        assigned = select(ClientCamera.camera_id).where(ClientCamera.client_id == client_id)
        query = query.where(Camera.id.in_(assigned))
    if q:
        query = query.where(Camera.name.ilike(containing(q)))
    found, next_cursor = await page_by_id(session, query, Camera.id, cursor, limit)
    return Page(items=[CameraAnswer.of(camera, services.secrets) for camera in found], next_cursor=next_cursor)


@router.post("/cameras/", status_code=status.HTTP_201_CREATED, responses=NOT_JSON)
async def create_camera(
    session: Session,
    services: Shared,
    caller: OperatorCaller,
    new: Annotated[NewCamera, Body(openapi_examples=examples.NEW_CAMERA)],
) -> CameraAnswer:
    """Create a camera, by its whole URL, or by address, port, path, user and password."""
    check_site(caller, new.site_id)
    camera = await cameras.create_camera(session, services.secrets, new, actor=caller.actor)
    return CameraAnswer.of(camera, services.secrets)


@router.get("/cameras/{camera_id}/", responses=NOT_FOUND)
async def show_camera(session: Session, services: Shared, caller: Viewer, camera_id: UUID) -> CameraAnswer:
    """Show a camera."""
    return CameraAnswer.of(await cameras.find_camera(session, camera_id, seen_by=caller), services.secrets)


@router.patch("/cameras/{camera_id}/", responses=NOT_JSON | NOT_FOUND | CONFLICT)
async def change_camera(
    session: Session,
    services: Shared,
    caller: OperatorCaller,
    camera_id: UUID,
    change: Annotated[CameraChange, Body(openapi_examples=examples.CAMERA_CHANGE)],
) -> CameraAnswer:
    """Change what is given.

    `null` clears `password`, URLs, `rtsp_transport`, `retention_days`, `location`, address and user.
    """
    camera = await cameras.find_camera(session, camera_id, seen_by=caller, for_change=True)
    if "site_id" in change.given():
        check_site(caller, change.site_id)
    changed = await cameras.change_camera(session, services.secrets, camera, change, actor=caller.actor)
    return CameraAnswer.of(changed, services.secrets)


@router.delete("/cameras/{camera_id}/", status_code=status.HTTP_204_NO_CONTENT, responses=NOT_FOUND | CONFLICT)
async def delete_camera(session: Session, caller: OperatorCaller, camera_id: UUID) -> None:
    """Delete a camera without recordings, and its schedules. One with recordings can be deactivated."""
    camera = await cameras.find_camera(session, camera_id, seen_by=caller, for_change=True)
    await cameras.delete_camera(session, camera, actor=caller.actor)


@router.post(
    "/cameras/{camera_id}/export/",
    response_class=StreamingResponse,
    tags=["recordings"],
    responses=NOT_FOUND
    | {
        200: {
            "description": "A ZIP file, not compressed: the stored segments, manifest.json and verify.py.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {"X-Manifest-SHA256": {"schema": {"type": "string"}, "description": "As in the audit event."}},
        }
    },
)
async def export_footage(
    services: Shared,
    caller: OperatorCaller,
    camera_id: UUID,
    start: Annotated[Utc, Query(alias="from", description="From this instant on.")],
    until: Annotated[Utc, Query(description="Until before this instant.")],
) -> StreamingResponse:
    """Export what is stored of an interval, with the manifest that proves it; an audit event keeps the manifest's hash.

    `verify.py` inside checks it with nothing but Python. A download that breaks off is not whole.
    """
    export = await prepare_export(services, camera_id, start, until, caller.actor, datetime.now(UTC), caller)
    return Download(export, services.store)
