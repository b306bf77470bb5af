"""Lists of the big tables: newest first, paged by key, never counted."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqladmin.pagination import Pagination
from sqlalchemy import Select, tuple_
from starlette.exceptions import HTTPException
from starlette.requests import Request

from control_plane.console.views.base import ConsoleView


@dataclass
class KeysetPage(Pagination):
    """One page; where it goes on is an address, not a number."""

    older_url: str | None = None
    newest_url: str | None = None


class KeysetView(ConsoleView):
    """A list that no number of rows makes slow: it reads one page from the end of an index."""

    can_create = False
    can_edit = False
    can_delete = False
    page_size = 50
    key: ClassVar[tuple[Any, Any]]
    """The columns it is ordered by, newest first: a time and an id."""

    async def list(self, request: Request) -> Pagination:
        """The rows after the key in the address."""
        stmt = self.list_query(request)
        for filter_ in self.console_filters:
            if value := request.query_params.get(filter_.name):
                stmt = await filter_.get_filtered_query(stmt, value, self.model)
        if term := request.query_params.get("search"):
            stmt = self.search_query(stmt, term)
        after = request.query_params.get("older")
        if after:
            stmt = stmt.where(tuple_(*self.key) < _parsed(after))
        at, id_ = self.key
        rows: Sequence[Any] = await self._run_query(_newest_first(stmt, at, id_).limit(self.page_size + 1))
        shown = rows[: self.page_size]
        request.state.extras = await self.extras(shown, request)
        page = KeysetPage(rows=list(shown), page=1, page_size=self.page_size, count=len(shown))
        if len(rows) > self.page_size:
            last = f"{getattr(shown[-1], at.key).isoformat()}~{shown[-1].id}"
            page.older_url = str(request.url.include_query_params(older=last))
        if after:
            page.newest_url = str(request.url.remove_query_params("older"))
        return page


def _newest_first(stmt: Select[Any], at: Any, id_: Any) -> Select[Any]:
    return stmt.order_by(at.desc(), id_.desc())


def _parsed(after: str) -> tuple[datetime, uuid.UUID]:
    at, _, id_ = after.partition("~")
    try:
        return datetime.fromisoformat(at).astimezone(UTC), uuid.UUID(id_)
    except (ValueError, OverflowError):
        raise HTTPException(400, "The address names no place in this list.") from None
