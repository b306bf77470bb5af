"""The pages for reading an API's OpenAPI document and trying its calls, complete without the internet."""

import base64
import hashlib

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

ASSETS_PATH = "/v0/api/docs"
# Relative, so that a proxy may serve everything below a path of its own: `/v0/api/cctv/docs` is beside the assets.
_ASSETS = "../docs"


def create_assets() -> StaticFiles:
    """Swagger UI's files, to be mounted at `ASSETS_PATH`; FastAPI's own page fetches them from a host of strangers."""
    return StaticFiles(packages=[("fastapi_offline", "static")])


def attach(app: FastAPI) -> None:
    """Give `app`, mounted beside the assets, its page at `/docs`."""
    body = bytes(
        get_swagger_ui_html(
            openapi_url="openapi.json",
            title=app.title,
            swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{_ASSETS}/favicon.png",
        ).body
    )
    headers = {"Content-Security-Policy": _policy(body)}

    async def docs(_request: Request) -> Response:
        return HTMLResponse(body, headers=headers)

    app.add_route("/docs", docs, methods=["GET"], include_in_schema=False)


def _policy(page: bytes) -> str:
    """Only what this service serves, and the page's one script, by its checksum. Swagger UI sets styles itself."""
    script = page.rpartition(b"<script>")[2].partition(b"</script>")[0]
    checksum = base64.b64encode(hashlib.sha256(script).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' 'sha256-{checksum}'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
