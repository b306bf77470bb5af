"""Filters above a list: a choice of a few values, or one object that a link from another page asks for."""

import uuid
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException

from camfleet_contract.schedules import EARLIEST_YEAR, LATEST_YEAR
from control_plane.fleet.visibility import at_sites, exists_for
from control_plane.models import Base, Site
from control_plane.security.principals import Principal

_MOST_OFFERED = 200

Condition = Callable[[str], Any]
"""A filter's value as a condition of the query."""


@dataclass(frozen=True, slots=True)
class ShownFilter:
    """A filter as the list's page shows it."""

    name: str
    title: str
    value: str
    options: Mapping[str, str]
    """Empty: the value is shown with a way to drop it, and not to be chosen here."""
    is_day: bool = False
    """A day to choose."""


class Filter(ABC):
    """A filter of SQLAdmin's kind."""

    has_operator = False

    def __init__(self, name: str, title: str, condition: Condition) -> None:
        self.name = self.parameter_name = name
        self.title = title
        self.condition = condition

    @abstractmethod
    def check(self, value: str | None) -> None:
        """Raise 400 for a value that can't be."""

    @abstractmethod
    async def shown(self, session: AsyncSession, value: str | None, seen_by: Principal) -> ShownFilter | None:
        """The filter as the page shows it; None if not at all."""

    async def get_filtered_query(self, stmt: Select[Any], value: str, _model: type) -> Select[Any]:
        """The rows that the value selects."""
        return stmt.where(self.condition(value))


class ChoiceFilter(Filter):
    """One of a few values that are always the same."""

    def __init__(self, name: str, title: str, options: Mapping[str, str], condition: Condition) -> None:
        super().__init__(name, title, condition)
        self._options = options

    def check(self, value: str | None) -> None:
        if value and value not in self._options:
            raise HTTPException(400, f"{self.title} has no value of that name.")

    async def shown(
        self,
        session: AsyncSession,  # noqa: ARG002 - Filter's
        value: str | None,
        seen_by: Principal,  # noqa: ARG002 - Filter's
    ) -> ShownFilter | None:
        return ShownFilter(self.name, self.title, value or "", self._options)


class ObjectFilter(Filter):
    """One object, by its id: links from its own page lead here."""

    def __init__(
        self,
        name: str,
        title: str,
        condition: Callable[[uuid.UUID], Any],
        find: Callable[[AsyncSession, uuid.UUID], Awaitable[Any]],
    ) -> None:
        super().__init__(name, title, lambda value: condition(uuid.UUID(value)))
        self._find = find

    def check(self, value: str | None) -> None:
        _check_id(self.title, value)

    async def shown(self, session: AsyncSession, value: str | None, seen_by: Principal) -> ShownFilter | None:
        if not value:
            return None
        found = await self._find(session, uuid.UUID(value))
        if isinstance(found, Base) and not await exists_for(session, seen_by, found):
            found = None
        return ShownFilter(self.name, f"{self.title}: {found or 'deleted'}", value, {})


class SiteFilter(Filter):
    """One of the sites that exist for the operator, by its name."""

    def __init__(self, column: Any) -> None:
        super().__init__("site", "Site", lambda value: column == uuid.UUID(value))

    def check(self, value: str | None) -> None:
        _check_id(self.title, value)

    async def shown(self, session: AsyncSession, value: str | None, seen_by: Principal) -> ShownFilter | None:
        query = select(Site).where(at_sites(seen_by, Site.id)).order_by(Site.name)
        offered = list(await session.scalars(query.limit(_MOST_OFFERED)))
        if value and value not in {str(site.id) for site in offered}:
            offered += await session.scalars(query.where(Site.id == uuid.UUID(value)))
        sites = {str(site.id): site.name for site in offered}
        return ShownFilter(self.name, self.title, value or "", sites) if sites else None


class DayFilter(Filter):
    """A day: the first or the last one that is shown."""

    def __init__(self, name: str, title: str, condition: Callable[[date], Any]) -> None:
        super().__init__(name, title, lambda value: condition(date.fromisoformat(value)))

    def check(self, value: str | None) -> None:
        try:
            year = date.fromisoformat(value or "2000-01-01").year
        except ValueError:
            year = 0
        if not EARLIEST_YEAR <= year <= LATEST_YEAR:
            raise HTTPException(400, f"{self.title} must be a day, as in 2026-03-01.")

    async def shown(
        self,
        session: AsyncSession,  # noqa: ARG002 - Filter's
        value: str | None,
        seen_by: Principal,  # noqa: ARG002 - Filter's
    ) -> ShownFilter | None:
        return ShownFilter(self.name, self.title, value or "", {}, is_day=True)


def _check_id(title: str, value: str | None) -> None:
    try:
        uuid.UUID(value or str(uuid.UUID(int=0)))
    except ValueError:
        raise HTTPException(400, f"{title} has no value of that name.") from None
