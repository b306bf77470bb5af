"""What every message of the wire has in common: how it is read, how it grows, and which texts it accepts.

Unknown fields are ignored and every field that came after the first version has a default, in both directions: a
recorder that was upgraded while offline still reads the configuration it cached, and an old recorder talks to a new
control plane.
"""

import math
import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

_DEEPEST = 32


def _storable_text(text: str) -> str:
    if "\0" in text:
        # PostgreSQL's text has no NUL, and no camera or site has one in its name.
        raise ValueError("must not contain a NUL character")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        # Python's JSON reads "\\ud800" without complaint; no database and no UTF-8 can hold it.
        raise ValueError("must not contain half of a surrogate pair")
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


def _clock_reading(value: object) -> object:
    if isinstance(value, time) or (isinstance(value, str) and re.fullmatch(r"[0-9]{2}:[0-9]{2}:[0-9]{2}", value)):
        return value
    # Left to itself, pydantic takes 20:00, 20:00:00.0 and seconds since midnight too.
    raise ValueError("must be a time of the form HH:MM:SS, as in 20:00:00")


def _calendar_day(value: object) -> object:
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value)):
        return value
    # Left to itself, pydantic takes seconds since 1970 too.
    raise ValueError("must be a date of the form YYYY-MM-DD, as in 2026-03-01")


def _storable(tree: dict[str, Any]) -> dict[str, Any]:
    """The tree, once it is known to hold nothing that Python's JSON reads and PostgreSQL's refuses."""
    level: list[Any] = [tree]
    for _ in range(_DEEPEST):
        texts = [x for x in level if isinstance(x, str)] + [key for x in level if isinstance(x, dict) for key in x]
        for text in texts:
            _storable_text(text)
        if any(isinstance(x, float) and not math.isfinite(x) for x in level):
            raise ValueError("must not contain NaN or infinite numbers")
        level = [child for x in level for child in _children(x)]
        if not level:
            return tree
    raise ValueError(f"must not be nested deeper than {_DEEPEST} levels")


def _children(node: object) -> list[Any]:
    match node:
        case dict():
            return list(node.values())
        case list():
            return node
        case _:
            return []


def _whole_seconds(moment: time) -> time:
    if moment.tzinfo is not None:
        raise ValueError("must be a wall-clock time of the site, without a zone")
    if moment.microsecond:
        raise ValueError("must be whole seconds, as in 20:00:00")
    return moment


Text = Annotated[str, AfterValidator(_storable_text), Field(max_length=10_000)]
"""Any text of at most 10,000 characters."""

Name = Annotated[str, AfterValidator(_storable_text), Field(min_length=1, max_length=255)]
"""A name that people gave something."""

Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An instant. Any offset is accepted, UTC is what comes out."""

WallTime = Annotated[
    time,
    BeforeValidator(_clock_reading),
    AfterValidator(_whole_seconds),
    PlainSerializer(lambda t: t.strftime("%H:%M:%S"), str),
    WithJsonSchema(
        {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$", "examples": ["20:00:00"]}
    ),
]
"""A wall-clock time of the site, `HH:MM:SS` on the wire: predecessor clients parse nothing else."""

WallDate = Annotated[date, BeforeValidator(_calendar_day)]
"""A day of the site's calendar, `YYYY-MM-DD` on the wire."""

JsonObject = Annotated[dict[str, Any], AfterValidator(_storable)]
"""Any JSON object that a PostgreSQL jsonb can hold."""

BigCount = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A count or a size in bytes that fits a PostgreSQL bigint."""

Crc32c = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{6}==$", examples=["yZRlqg=="])]
"""CRC32C as Google Cloud Storage writes it: the big-endian bytes in base64."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["9f" * 32])]
"""SHA-256 in lower-case hexadecimal."""


class Message(BaseModel):
    """A frozen value of the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)
    # Inputs are hidden because the text of an error ends up in logs, and a camera's URL holds its password.


class ErrorAnswer(Message):
    """The body of every refusal but a 422, which is FastAPI's list."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"detail": "This token is unknown, expired or revoked."}]}
    )

    detail: str


class LenientMessage(Message):
    """A message of predecessor clients, which send `null` for what they don't know: a null counts as absent."""

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class Interval(Message):
    """A stretch of time, `[start, end)` in UTC."""

    start: Utc
    end: Utc

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end <= self.start:
            raise ValueError("the end must be after the start")
        return self

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return (self.end - self.start).total_seconds()

    def contains(self, moment: datetime) -> bool:
        """Whether `moment` (aware) lies in `[start, end)`."""
        return self.start <= moment < self.end
