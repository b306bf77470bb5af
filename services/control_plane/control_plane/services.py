"""What the parts of the control plane share: put together in `main`, read from `app.state.services`."""

from dataclasses import dataclass, field
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from control_plane.local_client.config_changes import ConfigChanges
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


def _services(request: Request) -> Services:
    return cast("Services", request.app.state.services)


Shared = Annotated[Services, Depends(_services)]
"""The shared parts, for a route."""
