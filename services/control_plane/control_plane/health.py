"""Whether the service works: for load balancers, service managers and people."""

import asyncio
from typing import Any

from fastapi import APIRouter
from sqlalchemy import text

from control_plane.answers import refusal_for
from control_plane.drills.published import last_drill, share
from control_plane.errors import Unavailable
from control_plane.migration import current_revision, head_revision
from control_plane.services import Services, Shared

router = APIRouter(prefix="/health", tags=["health"])

_LIMIT_SECONDS = 5.0
_ERRORS: dict[int | str, dict[str, Any]] = {503: {"description": "It does not work just now; the answer says why."}}


@router.api_route("/", methods=["GET", "HEAD"], responses=_ERRORS)
async def health(services: Shared) -> dict[str, str]:
    """200 while the service reaches its database, else 503."""
    await _ask(services)
    return {"status": "healthy", "database": "reachable"}


@router.api_route("/ready", methods=["GET", "HEAD"], responses=_ERRORS)
async def ready(services: Shared) -> dict[str, str]:
    """200 when the database is reached and has the tables that this version needs, else 503."""
    revision = await _ask(services)
    if revision != head_revision():
        raise Unavailable(
            f"The database is at migration {revision or 'none'}, this version needs {head_revision()}: "
            "run `control-plane migrate`.",
            retry_after_seconds=30,
        )
    async with services.sessions() as session:
        drill = await last_drill(session)
    return {"status": "ready", "migration": revision, "last_drill": share(drill) if drill else "none yet"}


async def _ask(services: Services) -> str | None:
    """The database's migration, as the proof that it answers. Raises Unavailable."""
    try:
        async with asyncio.timeout(_LIMIT_SECONDS), services.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
            return await current_revision(connection)
    except Exception as error:
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise refusal from error
