"""`GET schedules`, `GET cameras` and `GET config`: what a recorder is told, sent only when it changed."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response, Security

from camfleet_contract.cameras import Camera
from camfleet_contract.configuration import RecorderConfig, Schedule
from control_plane.database import Session
from control_plane.local_client import refusals
from control_plane.local_client.callers import KnownCaller, TokenRoute, bearer, identify
from control_plane.local_client.conditional import document, has_newest
from control_plane.local_client.configuration import read_assigned, read_config
from control_plane.local_client.examples import example_of
from control_plane.services import Services, Shared

LONGEST_WAIT_SECONDS = 60
# One edit is often several rows: let them all come before the document is put together anew.
_DEBOUNCE_SECONDS = 0.02

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
    session: Session,
    shared: Shared,
    caller: KnownCaller,
    client_id: Ignored = None,  # noqa: ARG001 - documented and ignored
    last_sync: Ignored = None,  # noqa: ARG001 - as above
) -> Response:
    """All active schedules of the active cameras that are assigned to this client and recorded by it, newest first."""
    assigned = await read_assigned(session, shared.secrets, caller.client_id)
    return document(request, assigned.schedules_json())


@router.get(
    "/cameras",
    response_model=list[Camera],
    responses={200: {"headers": _ETAG, "content": {"application/json": {"example": [example_of(Camera)]}}}},
)
async def cameras(
    request: Request,
    session: Session,
    shared: Shared,
    caller: KnownCaller,
    client_id: Ignored = None,  # noqa: ARG001 - documented and ignored
    last_sync: Ignored = None,  # noqa: ARG001 - as above
) -> Response:
    """All active cameras that are assigned to this client and recorded by it, newest first."""
    assigned = await read_assigned(session, shared.secrets, caller.client_id)
    return document(request, assigned.cameras_json())


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
    deadline = asyncio.get_running_loop().time() + wait
    # Watched before it is read: a change in between is heard. Nothing of the database is held while waiting.
    async with contextlib.AsyncExitStack() as stack:
        changed = stack.enter_context(shared.config_changes.watch(caller.client_id))
        gone = await stack.enter_async_context(_noticing_the_end(request, changed))
        while True:
            changed.clear()
            newest = await _read_config(shared, caller.client_id)
            shared.config_changes.remember(caller.client_id, newest.revision, changed)
            etag = f'"{newest.revision}"'
            if not has_newest(request, etag) or shared.config_changes.is_closed or gone.is_set():
                break
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
                    if gone.is_set():
                        break
                    await asyncio.sleep(_DEBOUNCE_SECONDS)
            except TimeoutError:
                break
            # The wait may have been long: the token may be revoked by now.
            async with shared.config_changes.reading_turn:
                await identify(request)
    return document(request, newest.model_dump_json().encode(), etag)


@contextlib.asynccontextmanager
async def _noticing_the_end(request: Request, changed: asyncio.Event) -> AsyncIterator[asyncio.Event]:
    """Set `changed`, and the event that comes out, when the caller hangs up.

    A recorder on a bad link calls again and again, and each call that it gave up would wait on for nobody.
    """
    gone = asyncio.Event()

    async def watch() -> None:
        # Whoever sends a body that is too big with a GET is not waited for either.
        with contextlib.suppress(HTTPException):
            while (await request.receive())["type"] != "http.disconnect":
                pass
        gone.set()
        changed.set()

    watching = asyncio.create_task(watch(), name="config-caller")
    try:
        yield gone
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _read_config(shared: Services, client_id: uuid.UUID) -> RecorderConfig:
    # A few at a time: when a site's zone is edited, thousands wake at once, and would starve all other calls.
    async with shared.config_changes.reading_turn, shared.sessions.begin() as session:
        return await read_config(session, shared.secrets, shared.store, client_id)
