"""JSON documents that are sent again only if they changed."""

from fastapi import Request, Response, status

from control_plane.local_client.etags import is_unchanged
from control_plane.local_client.rendered import Document

CACHE_CONTROL = "private, no-cache"
"""They hold cameras' credentials: nobody but the recorder itself may keep them."""


def document(request: Request, newest: Document) -> Response:
    """The body with its strong ETag, or 304 if the request says that it has it already."""
    headers = {"ETag": newest.etag, "Cache-Control": CACHE_CONTROL}
    if is_unchanged(newest.etag, request.headers.getlist("if-none-match")):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(newest.body, headers=headers, media_type="application/json")
