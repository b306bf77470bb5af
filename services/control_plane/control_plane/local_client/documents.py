"""`GET schedules`, `GET cameras` and `GET config`: what a recorder is told, sent only when it changed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request, Response, Security

from camfleet_contract.cameras import Camera
from camfleet_contract.configuration import RecorderConfig, Schedule
from control_plane.local_client import refusals
from control_plane.local_client.callers import KnownCaller, TokenRoute, bearer, identify
from control_plane.local_client.conditional import document
from control_plane.local_client.examples import example_of
from control_plane.local_client.reading import LONGEST_WAIT_SECONDS, newest_config, newest_documents
from control_plane.services import Shared

_ETAG = refusals.etag_header()
_IGNORED = "Accepted in any form and ignored: the token tells who calls, and the answer is always complete."


def _told_in_the_document(
    if_none_match: Annotated[
        str | None, Header(description="The ETag of the version that the caller has, or several, or `*`.")
    ] = None,
) -> None:
    """Only for the documentation: `conditional` reads the header, which may come in several lines."""
    del if_none_match


router = APIRouter(
    tags=["configuration"],
    route_class=TokenRoute,
    dependencies=[Security(bearer), Depends(_told_in_the_document)],
    responses=refusals.ALWAYS | refusals.NOT_MODIFIED,
)

Ignored = Annotated[str | None, Query(description=_IGNORED)]
"""A parameter of predecessor clients. A string takes anything, and of several the last."""


@router.get(
    "/schedules",
    response_model=list[Schedule],
    responses={200: {"headers": _ETAG, "content": {"application/json": {"example": [example_of(Schedule)]}}}},
)
async def schedules(
    request: Request,
    shared: Shared,
    caller: KnownCaller,
    client_id: Ignored = None,  # noqa: ARG001 - documented and ignored
    last_sync: Ignored = None,  # noqa: ARG001 - as above
) -> Response:
    """All active schedules of the active cameras that are assigned to this client and recorded by it, newest first."""
    return document(request, (await newest_documents(shared, caller)).schedules)


@router.get(
    "/cameras",
    response_model=list[Camera],
    responses={200: {"headers": _ETAG, "content": {"application/json": {"example": [example_of(Camera)]}}}},
)
async def cameras(
    request: Request,
    shared: Shared,
    caller: KnownCaller,
    client_id: Ignored = None,  # noqa: ARG001 - documented and ignored
    last_sync: Ignored = None,  # noqa: ARG001 - as above
) -> Response:
    """All active cameras that are assigned to this client and recorded by it, newest first."""
    return document(request, (await newest_documents(shared, caller)).cameras)


@router.get(
    "/config",
    response_model=RecorderConfig,
    responses={200: {"headers": _ETAG, "content": {"application/json": {"example": example_of(RecorderConfig)}}}},
)
async def config(
    request: Request,
    shared: Shared,
    caller: KnownCaller,
    wait: Annotated[
        float,
        Query(
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            description="Seconds. With `If-None-Match`: answer as soon as something changes, or 304 after that long.",
            examples=[25],
        ),
    ] = 0,
) -> Response:
    """Return the whole configuration as one consistent document."""
    lines = request.headers.getlist("if-none-match")
    newest = await newest_config(shared, caller, lines, wait, request.receive, lambda: identify(request))
    return document(request, newest)
