"""A recorder and a camera at a site, what they say, and looks at them from any moment on."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select, text, update
from uuid_utils.compat import uuid7

from control_plane.liveness.kinds import Kind
from control_plane.liveness.watch import Noted, look
from control_plane.liveness.windows import bring_up_to_date
from control_plane.models import (
    BacklogMark,
    Camera,
    Client,
    ClientCamera,
    ClientContact,
    Event,
    Listener,
    OpenTrouble,
    Schedule,
    Site,
)
from control_plane.services import Services

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
OURS = "0.1.0"


def written(at: datetime) -> str:
    """An instant as messages have it."""
    return at.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Yard:
    services: Services
    client: uuid.UUID
    camera: uuid.UUID

    async def calls(self, at: datetime) -> None:
        """The recorder calls, and says nothing new."""
        async with self.services.sessions.begin() as session:
            changed = update(ClientContact).where(ClientContact.client_id == self.client)
            await session.execute(changed.values(last_contact_at=at))

    async def says(self, at: datetime, condition: str | None = None, **heartbeat: Any) -> None:
        """The recorder sends a heartbeat."""
        if condition is not None:
            heartbeat["cameras"] = [self.state(condition, at)]
        async with self.services.sessions.begin() as session:
            contact = ClientContact(
                client_id=self.client, last_contact_at=at, last_heartbeat_at=at, heartbeat={"version": OURS} | heartbeat
            )
            await session.merge(contact)

    def state(self, condition: str, since: datetime, reason: str = "no route to host") -> dict[str, Any]:
        return {
            "camera_id": str(self.camera),
            "condition": condition,
            "since": written(since),
            "reason": "" if condition == "recording" else reason,
        }

    async def change(self, table: Any, **values: Any) -> None:
        """All rows of a table."""
        async with self.services.sessions.begin() as session:
            await session.execute(update(table).values(**values))

    async def look(self, at: datetime, *, version: str = OURS) -> Noted:
        """One look at everything, as the job does it."""
        await bring_up_to_date(self.services.sessions, at)
        async with self.services.sessions.begin() as session:
            return await look(session, version, at)

    async def events(self, kind: Kind | None = None) -> Sequence[Event]:
        """What is told, oldest first; of what is wrong with the fleet only."""
        wanted = [kind] if kind else list(Kind)
        async with self.services.sessions() as session:
            query = select(Event).where(Event.kind.in_([str(one) for one in wanted])).order_by(Event.occurred_at)
            return (await session.scalars(query)).all()

    async def troubles(self) -> Sequence[OpenTrouble]:
        async with self.services.sessions() as session:
            return (await session.scalars(select(OpenTrouble))).all()

    async def mark(self) -> BacklogMark | None:
        async with self.services.sessions() as session:
            return await session.get(BacklogMark, self.client)


async def make_yard(services: Services, *, is_due: bool = False) -> Yard:
    """An old recorder with an old camera, and a replica that listens all the time."""
    long_ago = NOW - timedelta(days=30)
    aged = {"created_at": long_ago, "updated_at": long_ago}
    async with services.sessions.begin() as session:
        site = Site(id=uuid7(), name=f"Harbour {uuid7()}", timezone="Europe/Berlin")
        session.add(site)
        await session.flush()
        client = Client(id=uuid7(), site_id=site.id, name="Box")
        camera = Camera(id=uuid7(), site_id=site.id, name="Yard", **aged)
        session.add_all([client, camera])
        await session.flush()
        session.add(ClientCamera(client_id=client.id, camera_id=camera.id))
        session.add(ClientContact(client_id=client.id, last_contact_at=NOW, heartbeat={"version": OURS}))
        session.add(Listener(id=uuid7(), since=long_ago, seen_at=NOW + timedelta(days=30)))
        if is_due:
            midnight = datetime.min.time()
            session.add(
                Schedule(
                    id=uuid7(),
                    camera_id=camera.id,
                    name="Always",
                    schedule_type="continuous",
                    start_time=midnight,
                    end_time=midnight,
                    **aged,
                )
            )
    return Yard(services, client.id, camera.id)


async def forget_listeners(services: Services) -> None:
    async with services.sessions.begin() as session:
        await session.execute(text("DELETE FROM listeners"))
