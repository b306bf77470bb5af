"""The overview: what is down, what should be recording and isn't, what went wrong lately."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from camfleet_contract.cameras import RecordingMode
from camfleet_contract.recordings import RecordingStatus
from camfleet_contract.schedules import is_due
from control_plane.console import display
from control_plane.console.views.schedules import rule_of
from control_plane.fleet.contact import ONLINE_WITHIN
from control_plane.models import Camera, Client, ClientContact, Gap, Recording, Schedule, Site
from control_plane.services import Services

_SHOWN = 8
_LATELY = timedelta(days=2)
# Whether a schedule is due takes some 50 microseconds to find out: beyond this many the page would keep others waiting.
_MOST_SCHEDULES = 2000


async def dashboard(services: Services) -> dict[str, Any]:
    """What the overview's page shows."""
    now = datetime.now(UTC)
    async with services.sessions() as session:
        return {
            "now": now,
            "recorders": await _recorders(session, now),
            "silent": await _silent(session, now),
            "cameras": await _cameras(session, now),
            "gaps": await _gaps(session, now),
            "failed": await _failed(session, now),
            "newest": await _newest(session),
        }


async def _recorders(session: AsyncSession, now: datetime) -> dict[str, int]:
    contact = ClientContact.last_contact_at
    row = (
        await session.execute(
            select(
                func.count(),
                func.count().filter(contact >= now - ONLINE_WITHIN),
                func.count().filter(contact < now - ONLINE_WITHIN),
                func.count().filter(contact.is_(None)),
            )
            .select_from(Client)
            .outerjoin(ClientContact, ClientContact.client_id == Client.id)
            .where(Client.is_active)
        )
    ).one()
    return dict(zip(("total", "online", "offline", "never"), row, strict=True))


async def _silent(session: AsyncSession, now: datetime) -> Sequence[tuple[Client, Site, datetime]]:
    """The recorders that fell silent last come first: that is news."""
    rows = await session.execute(
        select(Client, Site, ClientContact.last_contact_at)
        .join(Site, Site.id == Client.site_id)
        .join(ClientContact, ClientContact.client_id == Client.id)
        .where(Client.is_active, ClientContact.last_contact_at < now - ONLINE_WITHIN)
        .order_by(ClientContact.last_contact_at.desc())
        .limit(_SHOWN)
    )
    return [(client, site, at) for client, site, at in rows]


async def _cameras(session: AsyncSession, now: datetime) -> dict[str, Any]:
    recording = set(
        await session.scalars(
            select(Recording.camera_id).where(Recording.status == RecordingStatus.RECORDING).distinct()
        )
    )
    total = await session.scalar(select(func.count()).select_from(Camera).where(Camera.is_active))
    due = await _due(session, now)
    missing = sorted((due or {}).keys() - recording)
    names = await session.scalars(
        select(Camera)
        .where(Camera.id.in_(missing))
        .options(joinedload(Camera.site))
        .order_by(Camera.name)
        .limit(_SHOWN)
    )
    return {
        "total": total,
        "recording": len(recording),
        "due": None if due is None else len(due),
        "missing_count": len(missing),
        "missing": list(names),
    }


async def _due(session: AsyncSession, now: datetime) -> dict[Any, bool] | None:
    """The cameras that a schedule wants recorded now; None where there are too many schedules to look at each."""
    rows = (
        await session.execute(
            select(Schedule, Site.timezone)
            .join(Camera, Camera.id == Schedule.camera_id)
            .join(Site, Site.id == Camera.site_id)
            .where(Schedule.is_active, Camera.is_active, Camera.recording_mode == RecordingMode.LOCAL_CLIENT)
            .limit(_MOST_SCHEDULES + 1)
        )
    ).all()
    if len(rows) > _MOST_SCHEDULES:
        return None
    return {
        schedule.camera_id: True
        for schedule, timezone in rows
        if is_due(rule_of(schedule), display.zone_or_utc(timezone), now)
    }


async def _gaps(session: AsyncSession, now: datetime) -> Sequence[tuple[Gap, Camera, Site]]:
    rows = await session.execute(
        select(Gap, Camera, Site)
        .join(Camera, Camera.id == Gap.camera_id)
        .join(Site, Site.id == Camera.site_id)
        .where(Gap.reported_at > now - _LATELY)
        .order_by(Gap.reported_at.desc())
        .limit(_SHOWN)
    )
    return [(gap, camera, site) for gap, camera, site in rows]


async def _failed(session: AsyncSession, now: datetime) -> list[Recording]:
    return list(
        await session.scalars(
            select(Recording)
            .where(Recording.started_at > now - _LATELY, Recording.status == RecordingStatus.FAILED)
            .options(joinedload(Recording.camera).joinedload(Camera.site))
            .order_by(Recording.started_at.desc())
            .limit(_SHOWN)
        )
    )


async def _newest(session: AsyncSession) -> list[Recording]:
    return list(
        await session.scalars(
            select(Recording)
            .options(joinedload(Recording.camera).joinedload(Camera.site))
            .order_by(Recording.started_at.desc())
            .limit(_SHOWN)
        )
    )
