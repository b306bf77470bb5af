"""Outages: a recorder that fell silent is one event, from its last contact to its return."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.events import BACKGROUND
from control_plane.fleet.contact import ONLINE_WITHIN

KIND = "client.offline"
TOLD_AFTER = 2 * ONLINE_WITHIN
"""Twice what a recorder may be silent before it shows as offline: a restart or a short hole is no event."""

# The last contact is the key, so that one silence is one event, however often it is looked at.
_BEGIN = text("""
    INSERT INTO events (subject_id, occurred_at, id, subject_type, kind, actor, detail)
    SELECT client.id, contact.last_contact_at, CAST(md5(client.id::text || contact.last_contact_at::text) AS uuid),
           'client', :kind, :actor, jsonb_build_object('name', client.name)
    FROM clients AS client JOIN client_contacts AS contact ON contact.client_id = client.id
    WHERE client.is_active AND contact.last_contact_at < CAST(:silent_since AS timestamptz)
      AND NOT EXISTS (
        SELECT FROM events WHERE subject_id = client.id AND kind = 'client.offline' AND NOT detail ? 'end'
      )
    ON CONFLICT DO NOTHING
    RETURNING subject_id
""")

_END = text("""
    UPDATE events AS event SET detail = event.detail || jsonb_build_object('end', CAST(:now AS timestamptz))
    FROM clients AS client LEFT JOIN client_contacts AS contact ON contact.client_id = client.id
    WHERE event.subject_id = client.id AND event.kind = 'client.offline' AND NOT event.detail ? 'end'
      AND (NOT client.is_active OR contact.last_contact_at > CAST(:online_since AS timestamptz))
    RETURNING event.subject_id
""")


async def note_outages(session: AsyncSession, now: datetime) -> tuple[int, int]:
    """Begin events of recorders that are silent, end those of recorders that are back: how many of each.

    Safe to repeat. An inactive recorder is not missed: its event ends.
    """
    ended = await session.execute(_END, {"now": now, "online_since": now - ONLINE_WITHIN})
    begun = await session.execute(_BEGIN, {"kind": KIND, "actor": BACKGROUND.name, "silent_since": now - TOLD_AFTER})
    return len(begun.all()), len(ended.all())
