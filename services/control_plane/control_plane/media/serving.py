"""`GET /v0/media/segments/ID.mp4?link=...`: a stored segment, or a part of it, for whoever has a link."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from control_plane.answers import error_response
from control_plane.errors import Forbidden, NotFound, Unavailable
from control_plane.media.links import PATH, Linked, MediaLinks, headers_of
from control_plane.media.ranges import part_of
from control_plane.services import Services, Shared
from control_plane.stores import NoSuchObjectError, StoreUnavailableError

router = APIRouter(prefix=PATH, tags=["media"])

_LONGEST_LINK = 2000


@router.api_route("/{segment_id}.mp4", methods=["GET", "HEAD"])
async def segment(
    request: Request,
    services: Shared,
    segment_id: uuid.UUID,
    link: Annotated[str, Query(max_length=_LONGEST_LINK)] = "",
    wanted: Annotated[str | None, Header(alias="Range")] = None,
) -> Response:
    """Give out the segment's bytes. The link says who may, so that a player needs no header."""
    linked = MediaLinks(services.secrets).read(link, segment_id, datetime.now(UTC))
    if linked is None:
        raise Forbidden("This link is over, or is none: ask for another.")
    part = part_of(wanted, linked.size)
    headers = dict(headers_of(linked))
    if part is None:
        headers["Content-Range"] = f"bytes */{linked.size}"
        return error_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The file ends before that.", headers)
    headers["Content-Length"] = str(part.length)
    status = HTTPStatus.OK
    if part.length < linked.size:
        status = HTTPStatus.PARTIAL_CONTENT
        headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{linked.size}"
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type="video/mp4")
    pieces = services.store.read_part(linked.name, part.start, part.length)
    first = await _first(pieces, services, linked)
    return _Footage(first, pieces, status_code=status, headers=headers, media_type="video/mp4")


async def _first(pieces: AsyncGenerator[bytes, None], services: Services, linked: Linked) -> bytes:
    """Before the answer begins, since after that nothing could be told any more."""
    if linked.store not in {"", services.store.url}:
        raise NotFound(f"This segment lies in {linked.store}, and this service reads {services.store.url}.")
    try:
        return await anext(pieces, b"")
    except NoSuchObjectError:
        raise NotFound("The store does not have this segment any more.") from None
    except StoreUnavailableError as error:
        raise Unavailable(f"The store can't be read just now: {error}.") from None


class _Footage(StreamingResponse):
    """Lets go of the store's connection as soon as the caller breaks off, as a player does at every leap."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes, None], **more: object) -> None:
        self._rest = rest
        super().__init__(_joined(first, rest), **more)  # type: ignore[arg-type]  # its own parameters

    async def stream_response(self, send: Send) -> None:
        """Send all of it."""
        async with aclosing(self._rest):
            await super().stream_response(send)


async def _joined(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for piece in rest:
        yield piece
