"""What every message of the wire has in common: how it is read, how it grows, and which texts it accepts.

Unknown fields are ignored and every field that came after the first version has a default, in both directions: a
recorder that was upgraded while offline still reads the configuration it cached, and an old recorder talks to a new
control plane.
"""

from datetime import UTC, datetime, time
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, model_validator


def _without_nul(text: str) -> str:
    if "\0" in text:
        # PostgreSQL's text has no NUL, and no camera or site has one in its name.
        raise ValueError("must not contain a NUL character")
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


def _whole_seconds(moment: time) -> time:
    if moment.tzinfo is not None:
        raise ValueError("must be a wall-clock time of the site, without a zone")
    if moment.microsecond:
        raise ValueError("must be whole seconds, as in 20:00:00")
    return moment


Text = Annotated[str, AfterValidator(_without_nul), Field(max_length=10_000)]
"""Any text of at most 10,000 characters."""

Name = Annotated[str, AfterValidator(_without_nul), Field(min_length=1, max_length=255)]
"""A name that people gave something."""

Utc = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""An instant. Any offset is accepted, UTC is what comes out."""

WallTime = Annotated[time, AfterValidator(_whole_seconds), PlainSerializer(lambda t: t.strftime("%H:%M:%S"), str)]
"""A wall-clock time of the site, `HH:MM:SS` on the wire: predecessor clients parse nothing else."""

BigCount = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""A count or a size in bytes that fits a PostgreSQL bigint."""

Crc32c = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]{6}==$", examples=["yZRlqg=="])]
"""CRC32C as Google Cloud Storage writes it: the big-endian bytes in base64."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", examples=["9f" * 32])]
"""SHA-256 in lower-case hexadecimal."""


class Message(BaseModel):
    """A frozen value of the wire."""

    model_config = ConfigDict(frozen=True, extra="ignore")


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
