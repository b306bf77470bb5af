"""What the control plane asks of a store: what is there, and a way in for one segment."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class StoreUnavailableError(Exception):
    """The store can't be asked just now; the text is for a person and names no secret."""


class NoSuchObjectError(Exception):
    """There is no object with this name."""


class NameTakenError(Exception):
    """There is an object with this name already, and none is ever replaced."""


class UploadsNotBrokeredError(Exception):
    """This store has no upload sessions to hand out: whoever uploads needs access of their own."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as the store knows it."""

    size_bytes: int
    crc32c: str
    """Base64 of the big-endian bytes."""
    generation: int
    """Which of the versions that ever had this name; 0 in a folder."""


@dataclass(frozen=True, slots=True)
class ListedObject:
    """An object as a list shows it, without its bytes having been read."""

    name: str
    size_bytes: int
    crc32c: str | None
    """None in a folder, which knows none without reading."""
    generation: int
    metadata: Mapping[str, str]
    """Empty in a folder."""
    is_held: bool
    """By the store itself."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What the bytes of an object are, all of them read just now."""

    size_bytes: int
    crc32c: str
    sha256: str
    tail: bytes
    """The last of them."""


@dataclass(frozen=True, slots=True)
class NewUpload:
    """What an upload session is for: this one object, and no other bytes than these."""

    object_name: str
    size_bytes: int
    crc32c: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OpenedUpload:
    """A resumable upload that was opened."""

    uri: str = field(repr=False)
    """A secret: whoever has it can write the object."""
    expires_at: datetime


class Removal(StrEnum):
    """What became of an object that was to be deleted."""

    GONE = "gone"
    """It is not there any more, or never was."""
    KEPT = "kept"
    """The store keeps it: somebody holds it."""
    TOO_YOUNG = "too_young"
    """The store keeps it, and all that is younger: a retention policy of the bucket."""
    ANOTHER = "another"
    """Under this name lies another object than the one that was meant."""


class Store(Protocol):
    """A bucket or a folder. Each method gives up after a while and raises StoreUnavailableError."""

    @property
    def url(self) -> str:
        """`gs://bucket` or `file:///folder`."""

    @property
    def is_brokered(self) -> bool:
        """Whether `open_upload` can be had."""

    async def look_up(self, object_name: str) -> StoredObject | None:
        """The object with its checksum as the store has it now; None if there is none."""

    def listed(self, prefix: str = "") -> AsyncIterator[Sequence[ListedObject]]:
        """All objects in the order of their names' parts, a page at a time; no more than a few pages are in memory.

        With a `prefix`, which ends with a slash, those whose names begin so. In a folder, without the files that an
        upload is still writing.
        """

    async def examine(self, object_name: str, tail_bytes: int) -> Examined | None:
        """Read the whole object, however long that takes; None if there is none."""

    async def read_tail(self, object_name: str, tail_bytes: int) -> bytes | None:
        """The object's last bytes, all of it if it has no more; None if there is no such object."""

    def read(self, object_name: str) -> AsyncGenerator[bytes, None]:
        """The object's bytes, a little at a time. Raises NoSuchObjectError before the first.

        Whoever may stop before the end closes it (`contextlib.aclosing`): until then it holds a connection.
        """

    def read_part(self, object_name: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """The object's bytes `[start, start + length)`, a little at a time; otherwise as `read`."""

    async def open_upload(self, upload: NewUpload, now: datetime) -> OpenedUpload:
        """Open a resumable upload that creates the object and never replaces one.

        Raise NameTakenError where there is one, UploadsNotBrokeredError where the store has no such thing.
        """

    async def delete(self, object_name: str, generation: int) -> Removal:
        """Delete this very object. Repeating is safe."""

    @property
    def has_holds(self) -> bool:
        """Whether the store itself can keep an object from being deleted."""

    async def set_hold(self, object_name: str, *, is_held: bool) -> bool:
        """Let the store keep the object, or no more; False if there is no such object, or no such thing as a hold."""

    async def close(self) -> None:
        """Let go of connections and threads."""
