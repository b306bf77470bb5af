"""What every table has in common: names of constraints, types of columns, ids and timestamps."""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from sqlalchemy import BigInteger, DateTime, Enum, MetaData, Text, Uuid, func
from sqlalchemy.orm import DeclarativeBase, mapped_column
from uuid_utils.compat import uuid7

# Fixed names, so that a migration can name the constraint that it drops.
_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table's base."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {
        datetime: DateTime(timezone=True),
        str: Text,
        uuid.UUID: Uuid,
    }


BigInt = Annotated[int, mapped_column(BigInteger)]
Id = Annotated[uuid.UUID, mapped_column(primary_key=True, default=uuid7)]
"""A UUIDv7: ordered by the time it was made, so that indexes grow at their end."""
CreatedAt = Annotated[datetime, mapped_column(server_default=func.now())]
UpdatedAt = Annotated[datetime, mapped_column(server_default=func.now(), onupdate=func.now())]


def text_enum(values: type[StrEnum]) -> Enum:
    """A text column that holds one of `values`: adding a value later needs no migration of a type."""
    return Enum(values, native_enum=False, length=32, values_callable=lambda members: [str(m) for m in members])
