"""The picture that a snapshot brought, for as long as it is kept."""

import base64
import uuid
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.errors import NotFound
from control_plane.fleet.visibility import of_clients
from control_plane.models import Command
from control_plane.security.principals import Principal
from control_plane.security.secrets import SecretBox, SecretUnreadableError

HEADERS = {
    # It shows people: nobody between us and the browser keeps it, nor does the browser.
    "Cache-Control": "private, no-store",
    "Content-Disposition": "inline",
    # A recorder sent it: whatever else it may be, it is only looked at.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


async def picture_of(
    session: AsyncSession, secrets: SecretBox, command_id: uuid.UUID, *, seen_by: Principal, now: datetime
) -> bytes:
    """The JPEG. Raises NotFound where there is none, or none any more."""
    query = select(Command.image_encrypted).where(
        Command.id == command_id, of_clients(seen_by, Command.client_id), Command.image_expires_at > now
    )
    sealed = await session.scalar(query)
    if sealed is None:
        raise NotFound(f"Command {command_id} has no picture, or none any more.")
    try:
        return base64.b64decode(secrets.decrypt(sealed))
    except SecretUnreadableError:
        raise NotFound("This picture can't be decrypted with the keys in use.") from None
