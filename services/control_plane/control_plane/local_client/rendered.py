"""What recorders are told, as the bytes that are sent, and a shelf on which the newest of them are kept."""

import uuid
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.local_client.configuration import Assigned
from control_plane.local_client.etags import strong_etag
from control_plane.stores import Store

_SHELF_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Document:
    """One of them, with its strong ETag."""

    body: bytes = field(repr=False)
    etag: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """All documents of one recorder, of one moment. They hold cameras' credentials: never log them."""

    schedules: Document
    cameras: Document
    config: Document
    revision: str
    until: datetime | None
    """When something in it expires, so that it must be read again; None: never."""

    @classmethod
    def of(cls, assigned: Assigned, store: Store) -> "Rendered":
        """The documents about what is assigned."""
        ends = [fetch.expires_at for fetch in assigned.uploading.fetches]
        ends += [command.expires_at for command in assigned.commands]
        schedules, cameras, config = assigned.schedules_json(), assigned.cameras_json(), assigned.config(store)
        return cls(
            Document(schedules, strong_etag(schedules)),
            Document(cameras, strong_etag(cameras)),
            Document(config.model_dump_json().encode(), f'"{config.revision}"'),
            config.revision,
            min(ends, default=None),
        )

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory."""
        return len(self.schedules.body) + len(self.cameras.body) + len(self.config.body) + 1000

    def is_good(self, now: datetime) -> bool:
        """Whether nothing in it has expired."""
        return self.until is None or now < self.until


class Shelf:
    """The newest documents of the recorders that called last, and the newest revisions of all that called."""

    def __init__(self, size_bytes: int = _SHELF_BYTES) -> None:
        self._left = size_bytes
        self._rendered: OrderedDict[uuid.UUID, Rendered] = OrderedDict()
        self._revisions: dict[uuid.UUID, tuple[str, datetime | None]] = {}

    def put(self, client_id: uuid.UUID, rendered: Rendered) -> None:
        """Keep it; those that were not asked for the longest time make room."""
        self.drop(client_id)
        self._revisions[client_id] = rendered.revision, rendered.until
        self._rendered[client_id] = rendered
        self._left -= rendered.size_bytes
        while self._left < 0:
            _, dropped = self._rendered.popitem(last=False)
            self._left += dropped.size_bytes

    def get(self, client_id: uuid.UUID, now: datetime) -> Rendered | None:
        """What was put, if it is still there and good."""
        rendered = self._rendered.get(client_id)
        if rendered is None or not rendered.is_good(now):
            return None
        self._rendered.move_to_end(client_id)
        return rendered

    def revision(self, client_id: uuid.UUID, now: datetime) -> str | None:
        """Its revision, if that is still good."""
        revision, until = self._revisions.get(client_id, (None, None))
        return revision if until is None or now < until else None

    def drop(self, client_id: uuid.UUID) -> None:
        """Forget one client's."""
        self._revisions.pop(client_id, None)
        if (rendered := self._rendered.pop(client_id, None)) is not None:
            self._left += rendered.size_bytes

    def clear(self) -> None:
        """Forget everything."""
        for client_id in list(self._revisions):
            self.drop(client_id)
