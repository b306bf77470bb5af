"""Lists page by key: a page costs the same wherever it is, and stays right while rows are added."""

import base64
import binascii
import json
import uuid
from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, TypeAdapter, ValidationError
from sqlalchemy import Select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from camfleet_contract.messages import Text, Utc

Row = TypeVar("Row")
Item = TypeVar("Item")

_BY_ID = TypeAdapter(tuple[uuid.UUID])
_BY_TIME = TypeAdapter(tuple[Utc, uuid.UUID])
_BY_CAMERA_DAY = TypeAdapter(tuple[uuid.UUID, date])


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    model_config = ConfigDict(frozen=True)

    items: list[Item]
    next_cursor: str | None
    """For the next page; null on the last."""


def _readable_by(adapter: TypeAdapter[Any]) -> AfterValidator:
    def check(cursor: str) -> str:
        _read(cursor, adapter)
        return cursor

    return AfterValidator(check)


def _read(cursor: str, adapter: TypeAdapter[Any]) -> tuple[Any, ...]:
    try:
        text = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        values: tuple[Any, ...] = adapter.validate_json(text)
    except (ValidationError, binascii.Error, ValueError):
        raise ValueError("is not a cursor of this list: take it from next_cursor of the page before") from None
    return values


Limit = Annotated[int, Query(ge=1, le=200, description="How many items at most.")]
_CURSOR = Query(max_length=300, description="`next_cursor` of the page before; none for the first page.")
IdCursor = Annotated[str, _CURSOR, _readable_by(_BY_ID)]
TimeCursor = Annotated[str, _CURSOR, _readable_by(_BY_TIME)]
CameraDayCursor = Annotated[str, _CURSOR, _readable_by(_BY_CAMERA_DAY)]
NameSearch = Annotated[Text, Query(max_length=100, description="Part of the name, in upper or lower case.")]


async def page_by_id(
    session: AsyncSession,
    query: Select[Row],
    key: InstrumentedAttribute[uuid.UUID],
    cursor: str | None,
    limit: int,
) -> tuple[Sequence[Row], str | None]:
    """In the order of creation, oldest first: what is added meanwhile comes at the end."""
    if cursor:
        query = query.where(key > _read(cursor, _BY_ID)[0])
    return await _page(session, query.order_by(key), (key,), limit)


async def page_by_time(
    session: AsyncSession,
    query: Select[Row],
    keys: tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[uuid.UUID]],
    cursor: str | None,
    limit: int,
    *,
    newest_first: bool,
) -> tuple[Sequence[Row], str | None]:
    """In the order of time; `keys` are the time and the id."""
    if cursor:
        position = _read(cursor, _BY_TIME)
        query = query.where(tuple_(*keys) < position if newest_first else tuple_(*keys) > position)
    order = [key.desc() for key in keys] if newest_first else list(keys)
    return await _page(session, query.order_by(*order), keys, limit)


def camera_day_at(cursor: str) -> tuple[uuid.UUID, date]:
    """Where a list of cameras' days goes on."""
    camera_id, day = _read(cursor, _BY_CAMERA_DAY)
    return camera_id, day


def cursor_at(camera_id: uuid.UUID, day: date) -> str:
    """For a page that begins with that day."""
    return _written([camera_id, day])


def containing(text: str) -> str:
    """The LIKE pattern for names that contain `text`, whose own wildcards mean themselves."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


async def _page(
    session: AsyncSession, query: Select[Row], keys: Sequence[InstrumentedAttribute[Any]], limit: int
) -> tuple[Sequence[Row], str | None]:
    rows = (await session.scalars(query.limit(limit + 1))).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], _written([getattr(last, key.key) for key in keys])


def _written(values: list[Any]) -> str:
    text = json.dumps([value.isoformat() if isinstance(value, datetime) else str(value) for value in values])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
