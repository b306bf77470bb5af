"""Signed links to one stored segment: whoever has one may read it until it is over, and needs nothing else."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, ValidationError

from control_plane.models import Segment
from control_plane.security.secrets import SecretBox

PATH = "/v0/media/segments"
LIFETIME = timedelta(minutes=15)
"""A player asks for the next part of a file with the same link; a link that leaks is worth little."""


class Use(StrEnum):
    """What a link is for."""

    PLAY = "play"
    DOWNLOAD = "download"


class Linked(BaseModel):
    """What a link is signed for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: uuid.UUID
    """The segment's."""
    name: str
    """Its object's."""
    store: str
    """The store that has the object."""
    size: int
    """Bytes."""
    use: Use
    file: str
    """What the file is called when it is kept."""
    until: int
    """Unix time, seconds."""


@dataclass(frozen=True, slots=True)
class Link:
    """A path of this service with a query that is a secret."""

    path: str
    expires_at: datetime


class MediaLinks:
    """Makes links and reads them, on every replica that has the same SECRET_KEYS."""

    def __init__(self, secrets: SecretBox) -> None:
        self._key = bytes.fromhex(secrets.derive("media links"))

    def link(self, segment: Segment, store_url: str, use: Use, now: datetime, lifetime: timedelta = LIFETIME) -> Link:
        """A link to a stored segment."""
        until = int((now + lifetime).timestamp())
        linked = Linked(
            id=segment.id,
            name=segment.object_name,
            store=store_url,
            size=segment.size_bytes,
            use=use,
            file=f"{segment.camera_id}_{segment.started_at.astimezone(UTC):%Y%m%dT%H%M%SZ}.mp4",
            until=until,
        )
        said = linked.model_dump_json().encode()
        # In the query, which no log of ours has.
        path = f"{PATH}/{segment.id}.mp4?link={_text(said)}.{_text(self._signature(said))}"
        return Link(path, datetime.fromtimestamp(until, UTC))

    def read(self, text: str, segment_id: uuid.UUID, now: datetime) -> Linked | None:
        """What the link is for; None if it is over, another segment's, or none of ours."""
        said, _, signature = text.partition(".")
        try:
            content, given = _bytes(said), _bytes(signature)
        except ValueError:
            return None
        if not hmac.compare_digest(given, self._signature(content)):
            return None
        try:
            linked = Linked.model_validate_json(content)
        except ValidationError:
            return None  # of another version
        return linked if linked.id == segment_id and now.timestamp() < linked.until else None

    def _signature(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, hashlib.sha256)


def headers_of(linked: Linked) -> Mapping[str, str]:
    """How a browser is to take the file."""
    disposition = "attachment" if linked.use is Use.DOWNLOAD else "inline"
    return {
        "Content-Disposition": f'{disposition}; filename="{linked.file}"',
        "Cache-Control": "private, no-store",
        "Accept-Ranges": "bytes",
    }


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
