"""The recorder's own endpoints, for people and monitors on the same box."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from recorder.cameras import Cameras
from recorder.errors import AlreadyRecording, NotHeld, RecorderError, UnknownCamera, UnknownRecording
from recorder.site_holds import SiteHolds
from recorder.status import Status

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
LONGEST_MANUAL_MINUTES = 24 * 60
ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such camera"},
    409: {"description": "It is recording already"},
    503: {"description": "Not now: its disk fails, or it records as many cameras as it may"},
}
UNKNOWN: dict[int | str, dict[str, Any]] = {404: {"description": "No such recording here, or it isn't held"}}


def local_api(
    status: Status, cameras: Cameras, holds: SiteHolds, *, allowed_hosts: tuple[str, ...], version: str
) -> FastAPI:
    """The endpoints. Calls under another name than `allowed_hosts` and loopback's are refused (DNS rebinding)."""
    app = _app(allowed_hosts, version)
    app.include_router(_reading(status, version))
    app.include_router(_recording(cameras))
    app.include_router(_holding(holds))
    return app


def waiting_api(document: Callable[[], dict[str, Any]], *, allowed_hosts: tuple[str, ...], version: str) -> FastAPI:
    """The endpoints of a recorder that can't use its folder yet: `document` is its whole status."""
    app = _app(allowed_hosts, version)

    @app.get("/health", summary="Whether the recorder runs")
    async def health() -> dict[str, str]:
        return _healthy(version)

    @app.get("/status", summary="What the recorder waits for")
    async def status() -> dict[str, Any]:
        return document()

    @app.api_route("/{path:path}", methods=["GET", "POST"], include_in_schema=False)
    async def later(path: str) -> Response:  # noqa: ARG001 - any
        return JSONResponse({"detail": document()["problems"][0]}, HTTPStatus.SERVICE_UNAVAILABLE)

    return app


def _healthy(version: str) -> dict[str, str]:
    return {"status": "healthy", "service": "camfleet recorder", "version": version}


def _app(allowed_hosts: tuple[str, ...], version: str) -> FastAPI:
    # Swagger UI from this process: the box may have no internet, and should not call strangers' hosts if it has.
    app = FastAPIOffline(
        title="camfleet recorder",
        version=version,
        description="What this recorder does, manual recordings, and holds. Nothing here shows a credential.",
        redoc_url=None,
    )
    app.add_middleware(SameOriginOnly)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *allowed_hosts], www_redirect=False)

    app.add_exception_handler(RecorderError, _explain)
    return app


async def _explain(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, HTTPStatus.SERVICE_UNAVAILABLE)


def _reading(status: Status, version: str) -> APIRouter:
    router = APIRouter()

    @router.get("/health", summary="Whether the recorder runs")
    async def health() -> dict[str, str]:
        return _healthy(version)

    @router.get("/status", summary="Everything about this recorder")
    async def show_status() -> dict[str, Any]:
        return await asyncio.to_thread(status.document)

    @router.get("/schedules", summary="The schedules it follows, with their next change")
    async def schedules() -> list[dict[str, Any]]:
        return status.schedules()

    @router.get("/metrics", response_class=PlainTextResponse, summary="For Prometheus")
    async def metrics() -> Response:
        return PlainTextResponse(await asyncio.to_thread(status.metrics), media_type="text/plain; version=0.0.4")

    return router


def _recording(cameras: Cameras) -> APIRouter:
    router = APIRouter()

    @router.post("/manual-record", responses=ERRORS, summary="Record a camera now")
    async def manual_record(
        camera_id: UUID, duration_minutes: Annotated[int, Query(ge=1, le=LONGEST_MANUAL_MINUTES)] = 5
    ) -> dict[str, str]:
        """With PRE_ROLL_SECONDS the footage begins before this call: `started_at` says when."""
        try:
            recording = await cameras.start_manual(camera_id, timedelta(minutes=duration_minutes))
        except UnknownCamera as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
        except AlreadyRecording as error:
            raise HTTPException(HTTPStatus.CONFLICT, str(error)) from None
        return {
            "message": "Recording started",
            "camera_id": str(camera_id),
            "recording_id": str(recording.id),
            "started_at": recording.started_at.isoformat(),
        }

    @router.post("/stop-recording/{camera_id}", responses=ERRORS, summary="End what a camera records now")
    async def stop_recording(camera_id: UUID) -> dict[str, str]:
        """A manual recording goes on for POST_ROLL_SECONDS; a second call ends it at once."""
        ends_at = await cameras.stop_recording(camera_id)
        if ends_at is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "Nothing is recorded of this camera now.")
        return {"message": "Recording stopped", "camera_id": str(camera_id), "ends_at": ends_at.isoformat()}

    return router


def _holding(holds: SiteHolds) -> APIRouter:
    router = APIRouter()

    @router.post("/hold/{recording_id}", responses=UNKNOWN, summary="Keep a recording's local files from every rule")
    async def hold(recording_id: UUID) -> dict[str, str]:
        try:
            await asyncio.to_thread(holds.hold, recording_id)
        except UnknownRecording as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
        return {"message": "Recording held", "recording_id": str(recording_id)}

    @router.post("/release/{recording_id}", responses=UNKNOWN, summary="End the site's hold of a recording")
    async def release(recording_id: UUID) -> dict[str, str]:
        try:
            told = await asyncio.to_thread(holds.release, recording_id)
        except NotHeld as error:
            raise HTTPException(HTTPStatus.NOT_FOUND, str(error)) from None
        return {"message": f"Hold ended. {told}.", "recording_id": str(recording_id)}

    return router


class SameOriginOnly:
    """Refuses what a page of another site makes a browser on this box send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in {"GET", "HEAD"}:
            request = Request(scope)
            origin = request.headers.get("origin")
            is_foreign = origin is not None and urlsplit(origin).netloc != request.headers.get("host")
            if is_foreign or request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
                refusal = JSONResponse({"detail": "Calls from other sites' pages are refused"}, 403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
