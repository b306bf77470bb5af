"""The overview: what is down, what should be recording and isn't, what went wrong lately."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, literal, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from camfleet_contract.recordings import RecordingStatus
from control_plane.console.contacts import OPEN, ToldProblem, cameras_now, one_of, problems_of
from control_plane.console.due import due_cameras
from control_plane.console.gaps import Stretch, alarming
from control_plane.console.happenings import going_on
from control_plane.console.uploads import at_risk
from control_plane.drills.published import last_drill
from control_plane.fleet.contact import Contact, has_contact
from control_plane.fleet.visibility import at_sites, of_cameras, of_events, of_model
from control_plane.models import Camera, Client, ClientContact, Gap, Recording, Schedule, Site
from control_plane.security.principals import Principal
from control_plane.services import Services

_SHOWN = 8
_LATELY = timedelta(days=2)
_MOST_GAPS = 1000
_NEEDED = {"site": Site, "camera": Camera, "client": Client, "schedule": Schedule}


async def dashboard(services: Services, seen_by: Principal) -> dict[str, Any]:
    """What the overview's page shows somebody."""
    now = datetime.now(UTC)
    async with services.sessions() as session:
        return {
            "now": now,
            "recorders": await _recorders(session, now, seen_by),
            "going_on": await going_on(session, of_events(seen_by)),
            "silent": await _silent(session, now, seen_by),
            "at_risk": await at_risk(session, now, seen_by),
            "troubled": await _troubled(session, now, seen_by),
            "has_drills": not seen_by.is_limited,
            "drill": await last_drill(session) if not seen_by.is_limited else None,
            "steps": await _first_steps(session, seen_by),
            "cameras": await _cameras(session, now, seen_by),
            "gaps": await _gaps(session, now, seen_by),
            "failed": await _failed(session, now, seen_by),
            "newest": await _newest(session, seen_by),
        }


async def _recorders(session: AsyncSession, now: datetime, seen_by: Principal) -> dict[str, int]:
    contact = ClientContact.last_contact_at
    row = (
        await session.execute(
            select(
                func.count(),
                *(func.count().filter(has_contact(contact, said, now)) for said in Contact),
                func.count().filter(contact.is_(None)),
            )
            .select_from(Client)
            .outerjoin(ClientContact, ClientContact.client_id == Client.id)
            .where(Client.is_active, at_sites(seen_by, Client.site_id))
        )
    ).one()
    return dict(zip(("total", *Contact, "never"), row, strict=True))


async def _silent(session: AsyncSession, now: datetime, seen_by: Principal) -> Sequence[tuple[Client, Site, datetime]]:
    """The recorders that fell silent last come first: that is news."""
    rows = await session.execute(
        select(Client, Site, ClientContact.last_contact_at)
        .join(Site, Site.id == Client.site_id)
        .join(ClientContact, ClientContact.client_id == Client.id)
        .where(
            Client.is_active,
            has_contact(ClientContact.last_contact_at, Contact.OFFLINE, now),
            at_sites(seen_by, Client.site_id),
        )
        .order_by(ClientContact.last_contact_at.desc())
        .limit(_SHOWN)
    )
    return [(client, site, at) for client, site, at in rows]


async def _troubled(session: AsyncSession, now: datetime, seen_by: Principal) -> list[tuple[Client, Site, ToldProblem]]:
    """What recorders that are online say is wrong with themselves."""
    problems = ClientContact.heartbeat["problems"]
    rows = await session.execute(
        select(Client, Site, ClientContact.heartbeat)
        .join(Site, Site.id == Client.site_id)
        .join(ClientContact, ClientContact.client_id == Client.id)
        .where(
            Client.is_active,
            has_contact(ClientContact.last_contact_at, Contact.ONLINE, now),
            func.jsonb_typeof(problems) == "array",
            problems != literal([], JSONB),
            at_sites(seen_by, Client.site_id),
        )
        .order_by(Client.name, Client.id)
        .limit(_SHOWN)
    )
    return [(client, site, problem) for client, site, heartbeat in rows for problem in problems_of(heartbeat)]


async def _cameras(session: AsyncSession, now: datetime, seen_by: Principal) -> dict[str, Any]:
    begun = await session.scalars(
        select(Recording.camera_id)
        .distinct()
        .join(ClientContact, ClientContact.client_id == Recording.client_id)
        .where(
            # As the index of open recordings is declared, or it is not used.
            Recording.status.in_(OPEN),
            Recording.status == RecordingStatus.RECORDING,
            has_contact(ClientContact.last_contact_at, Contact.ONLINE, now),
            of_cameras(seen_by, Recording.camera_id),
        )
    )
    # A recording stays open while its camera is unreachable.
    states = await cameras_now(session, set(begun))
    total = await session.scalar(
        select(func.count(Camera.id)).where(Camera.is_active, at_sites(seen_by, Camera.site_id))
    )
    due = await due_cameras(session, now, seen_by)
    missing = due.missing if due else {}
    shown = await session.scalars(
        select(Camera)
        .where(Camera.id == one_of(missing))
        .options(joinedload(Camera.site))
        .order_by(Camera.name, Camera.id)
        .limit(_SHOWN)
    )
    return {
        "total": total,
        "recording": sum(state.is_seen_recording(now) for state in states.values()),
        "due": due.count if due else None,
        "missing_count": len(missing),
        "missing": [(camera, missing[camera.id].shown(now)) for camera in shown],
    }


async def _gaps(session: AsyncSession, now: datetime, seen_by: Principal) -> list[tuple[Stretch, Camera]]:
    reported = await session.scalars(
        select(Gap)
        .where(Gap.reported_at > now - _LATELY, of_cameras(seen_by, Gap.camera_id))
        .order_by(Gap.reported_at.desc())
        .limit(_MOST_GAPS)
    )
    stretches = alarming(reported, _SHOWN)
    cameras = await session.scalars(
        select(Camera).where(Camera.id.in_([one.camera_id for one in stretches])).options(joinedload(Camera.site))
    )
    by_id = {camera.id: camera for camera in cameras}
    return [(stretch, by_id[stretch.camera_id]) for stretch in stretches if stretch.camera_id in by_id]


async def _failed(session: AsyncSession, now: datetime, seen_by: Principal) -> list[Recording]:
    return list(
        await session.scalars(
            select(Recording)
            .where(
                Recording.started_at > now - _LATELY,
                Recording.status == RecordingStatus.FAILED,
                of_cameras(seen_by, Recording.camera_id),
            )
            .options(joinedload(Recording.camera).joinedload(Camera.site))
            .order_by(Recording.started_at.desc())
            .limit(_SHOWN)
        )
    )


async def _first_steps(session: AsyncSession, seen_by: Principal) -> dict[str, bool]:
    """What a console needs before anything is recorded, in order, and whether it is there."""
    found = await session.execute(
        # Each of these tables has an id, which their common base does not say.
        select(
            *(
                select(model.id).where(of_model(seen_by, model)).exists().label(name)  # type: ignore[attr-defined]
                for name, model in _NEEDED.items()
            )
        )
    )
    return dict(found.mappings().one())


async def _newest(session: AsyncSession, seen_by: Principal) -> list[Recording]:
    return list(
        await session.scalars(
            select(Recording)
            .where(of_cameras(seen_by, Recording.camera_id))
            .options(joinedload(Recording.camera).joinedload(Camera.site))
            .order_by(Recording.started_at.desc())
            .limit(_SHOWN)
        )
    )
