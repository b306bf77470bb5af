"""The control plane's application: what it consists of, and what runs as long as it does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.responses import RedirectResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from control_plane import docs_pages, health
from control_plane.answers import install_error_handlers
from control_plane.cctv import app as cctv
from control_plane.console import app as console
from control_plane.jobs.worker import work
from control_plane.liveness.listening import listen
from control_plane.local_client import app as local_client
from control_plane.local_client.short_cut import ShortCut
from control_plane.media import serving
from control_plane.middleware import BodyLimit, RequestLog, SecurityHeaders
from control_plane.services import Services


def create_app(services: Services) -> FastAPI:
    """Everything that answers at this service's port."""
    app = FastAPI(
        title="camfleet control plane",
        # Recorders' clients follow no redirects, and the two APIs have documents of their own.
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.services = services
    install_error_handlers(app)
    app.include_router(health.router)
    app.include_router(serving.router)
    for name, api in create_apis(services).items():
        app.mount(f"/v0/api/{name}", api)
    app.mount(docs_pages.ASSETS_PATH, docs_pages.create_assets())
    console.attach(app, services)
    app.add_api_route("/", _start_page, methods=["GET", "HEAD"])
    # The last one added sees a request first.
    app.add_middleware(ShortCut, services=services)
    app.add_middleware(BodyLimit, max_bytes=services.settings.max_body_bytes)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(RequestLog)
    app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(services.settings.trusted_proxies))
    return app


def create_apis(services: Services) -> dict[str, FastAPI]:
    """The applications with a document of their own, by their name under `/v0/api/`."""
    return {"local-client": local_client.create_app(services), "cctv": cctv.create_app(services)}


async def _start_page() -> RedirectResponse:
    return RedirectResponse("/admin/", status_code=307)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    database_url = services.engine.url.render_as_string(hide_password=False)
    async with services.config_changes.listening(database_url), asyncio.TaskGroup() as tasks:
        beside = [tasks.create_task(listen(services.sessions), name="listening")]
        if services.settings.background_jobs:
            beside.append(tasks.create_task(work(services), name="jobs"))
        try:
            yield
        finally:
            for task in beside:
                task.cancel()
