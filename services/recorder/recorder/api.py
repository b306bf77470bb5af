"""The recorder's own endpoints, for people and monitors on the same box."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from recorder.cameras import Cameras
from recorder.errors import AlreadyRecording, RecorderError, UnknownCamera
from recorder.status import Status

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
LONGEST_MANUAL_MINUTES = 24 * 60
ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"description": "No such camera"},
    409: {"description": "It is recording already"},
}


def local_api(status: Status, cameras: Cameras, *, allowed_hosts: tuple[str, ...], version: str) -> FastAPI:
    """The endpoints. Calls under another name than `allowed_hosts` and loopback's are refused (DNS rebinding)."""
    app = FastAPI(
        title="camfleet recorder",
        version=version,
        description="What this recorder does, and manual recordings. Nothing here shows a credential.",
        redoc_url=None,
    )
    app.add_middleware(SameOriginOnly)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *allowed_hosts], www_redirect=False)

    @app.exception_handler(RecorderError)
    async def explain(_request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, 503)

    @app.get("/health", summary="Whether the recorder runs")
    async def health() -> dict[str, str]:
        return {"status": "healthy", "service": "camfleet recorder", "version": version}

    @app.get("/status", summary="Everything about this recorder")
    async def show_status() -> dict[str, Any]:
        return await asyncio.to_thread(status.document)

    @app.get("/schedules", summary="The schedules it follows, with their next change")
    async def schedules() -> list[dict[str, Any]]:
        return status.schedules()

    @app.get("/metrics", response_class=PlainTextResponse, summary="For Prometheus")
    async def metrics() -> Response:
        text = await asyncio.to_thread(status.metrics)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    @app.post("/manual-record", responses=ERRORS, summary="Record a camera now")
    async def manual_record(
        camera_id: UUID, duration_minutes: Annotated[int, Query(ge=1, le=LONGEST_MANUAL_MINUTES)] = 5
    ) -> dict[str, str]:
        try:
            recording = await asyncio.to_thread(cameras.start_manual, camera_id, timedelta(minutes=duration_minutes))
        except UnknownCamera as error:
            raise HTTPException(404, str(error)) from None
        except AlreadyRecording as error:
            raise HTTPException(409, str(error)) from None
        return {"message": "Recording started", "camera_id": str(camera_id), "recording_id": str(recording.id)}

    @app.post("/stop-recording/{camera_id}", responses=ERRORS, summary="End what a camera records now")
    async def stop_recording(camera_id: UUID) -> dict[str, str]:
        if not await asyncio.to_thread(cameras.stop_recording, camera_id):
            raise HTTPException(404, "This camera records nothing now")
        return {"message": "Recording stopped", "camera_id": str(camera_id)}

    return app


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
