"""The operators' REST API as an app of its own, with its document and docs page."""

from typing import Literal

from fastapi import APIRouter, Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from starlette.types import ASGIApp, Receive, Scope, Send

from control_plane import docs_pages
from control_plane.answers import install_error_handlers
from control_plane.cctv import (
    api_keys,
    cameras,
    clients,
    commands,
    coverage,
    drills,
    events,
    fetches,
    gaps,
    login,
    playback,
    recordings,
    schedule_previews,
    schedules,
    sites,
    statistics,
)
from control_plane.cctv.callers import bearer
from control_plane.cctv.refusals import EVERYWHERE, OPEN
from control_plane.services import Services

VERSION = "4.0.0"

_DESCRIPTION = """
Sites, local recording clients, cameras, schedules and recordings, for curl and scripts.

Every call but `health` and `login` needs `Authorization: Bearer KEY`. `control-plane create-api-key NAME --role admin`
makes a key, and so does `POST api-keys/`. People may call with the access token from `POST login/` instead.
A viewer's key reads. An operator's key also creates, changes and deletes cameras and schedules, changes clients,
holds and releases recordings, fetches footage, and asks recorders
for tests, pictures and manual recordings. An admin's key does everything.

A key may be limited to sites: then no other site exists for it, and what belongs to no site is refused. It may be
limited by scopes: `cameras:read` is what GET does under the heading `cameras` below, `cameras:write` is all of it,
`*:read` and `*:write` stand for every heading.

Lists answer `{"items": [...], "next_cursor": ...}`: give `next_cursor` back as `cursor` for the next page. `PATCH`
changes what is given and leaves the rest. Paths work with and without their last slash. Instants are UTC, times of
schedules are wall-clock times of the site.
"""


class Health(BaseModel):
    """That the service answers."""

    model_config = ConfigDict(frozen=True)

    status: Literal["healthy"] = "healthy"
    service: str = "CCTV API"
    version: str = VERSION


class TrailingSlash:
    """Paths of things end with a slash; one that is left out is added, since a redirect would lose a script's body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].endswith(("/", "/health", "/docs", "/openapi.json")):
            scope = {**scope, "path": f"{scope['path']}/"}
        await self._app(scope, receive, send)


def create_app(services: Services) -> FastAPI:
    """Build the app that `main` mounts at `/v0/api/cctv`."""
    app = FastAPI(
        title="CCTV API",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.services = services
    install_error_handlers(app)
    app.add_middleware(TrailingSlash)
    app.include_router(_open)
    app.include_router(login.entrance, responses=OPEN)
    features = (
        login,
        sites,
        clients,
        cameras,
        schedules,
        schedule_previews,
        # Before `recordings/{recording_id}/`, for which `statistics` would be an id that is none.
        statistics,
        recordings,
        playback,
        gaps,
        coverage,
        fetches,
        commands,
        drills,
        events,
        api_keys,
    )
    for feature in features:
        app.include_router(feature.router, dependencies=[Depends(bearer)], responses=EVERYWHERE)
    docs_pages.attach(app)
    return app


_open = APIRouter()


@_open.get("/health", tags=["health"])
async def health() -> Health:
    """Say that the service answers. No key needed; the database is not asked."""
    return Health()
