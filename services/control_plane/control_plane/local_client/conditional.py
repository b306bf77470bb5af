"""JSON documents that are sent again only if they changed."""

from fastapi import Request, Response, status

from control_plane.local_client.etags import is_unchanged, strong_etag

# They hold cameras' credentials: nobody but the recorder itself may keep them.
_CACHE_CONTROL = "private, no-cache"


def document(request: Request, body: bytes, etag: str | None = None) -> Response:
    """The body with its strong ETag, or 304 if the request says that it has it already."""
    etag = etag or strong_etag(body)
    headers = {"ETag": etag, "Cache-Control": _CACHE_CONTROL}
    if has_newest(request, etag):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def has_newest(request: Request, etag: str) -> bool:
    """Whether the request's `If-None-Match` names `etag`."""
    return is_unchanged(etag, request.headers.getlist("if-none-match"))
