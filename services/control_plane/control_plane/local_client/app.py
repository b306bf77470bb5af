"""The Local Client API, an application with documents of its own."""

from fastapi import FastAPI

from control_plane import docs_pages
from control_plane.answers import install_error_handlers
from control_plane.local_client import commands, documents, health, heartbeats, reports
from control_plane.local_client.version import TITLE, VERSION
from control_plane.services import Services

_DESCRIPTION = """
The recorders' side of the control plane. Every call but `health` needs a recorder's token as `Authorization: Bearer`.
Every call may be repeated safely; paths have no trailing slash and never redirect.
"""


def create_app(services: Services) -> FastAPI:
    """To be mounted at `/v0/api/local-client`."""
    app = FastAPI(
        title=TITLE,
        version=VERSION,
        description=_DESCRIPTION,
        # Predecessor clients follow no redirects.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    install_error_handlers(app)
    for feature in (health, documents, heartbeats, reports, commands):
        app.include_router(feature.router)
    docs_pages.attach(app)
    return app
