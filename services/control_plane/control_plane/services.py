"""What the parts of the control plane share: put together in `main`, read from `app.state.services`."""

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from control_plane.direct import Direct
from control_plane.local_client.config_changes import ConfigChanges
from control_plane.local_client.heartbeat_rows import Heartbeats
from control_plane.local_client.identities import Callers
from control_plane.local_client.registration_rows import Registrations
from control_plane.local_client.report_rows import Reports
from control_plane.recordings.offer_rows import OfferRows
from control_plane.security.login_throttle import LoginThrottle
from control_plane.security.secrets import SecretBox
from control_plane.settings import Settings
from control_plane.stores import Store


@dataclass(frozen=True, slots=True)
class Services:
    """One process's shared parts."""

    settings: Settings
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    secrets: SecretBox
    store: Store
    config_changes: ConfigChanges
    logins: LoginThrottle = field(default_factory=LoginThrottle)
    direct: Direct = field(init=False)
    callers: Callers = field(init=False)
    heartbeats: Heartbeats = field(init=False)
    reports: Reports = field(init=False)
    registrations: Registrations = field(init=False)
    offer_rows: OfferRows = field(init=False)

    def __post_init__(self) -> None:
        """Put together what consists of the others."""
        direct = Direct(self.engine.url, self.settings.statement_timeout_seconds)
        parts = {
            "direct": direct,
            "callers": Callers(direct, self.config_changes),
            "heartbeats": Heartbeats(direct),
            "reports": Reports(direct),
            "registrations": Registrations(direct),
            "offer_rows": OfferRows(direct, self.secrets),
        }
        for name, part in parts.items():
            object.__setattr__(self, name, part)  # while it is made, a frozen object may be filled


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


Shared = Annotated[Services, Depends(_services)]
"""The shared parts, for a route."""
