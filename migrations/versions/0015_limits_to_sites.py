"""Operators and keys that are limited to sites, scopes of keys, and the site of each event."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SITE_OF = """
    CASE {event}.subject_type
        WHEN 'site' THEN {event}.subject_id
        WHEN 'camera' THEN (SELECT site_id FROM cameras WHERE id = {event}.subject_id)
        WHEN 'client' THEN (SELECT site_id FROM clients WHERE id = {event}.subject_id)
        WHEN 'schedule' THEN (
            SELECT cameras.site_id FROM schedules JOIN cameras ON cameras.id = schedules.camera_id
            WHERE schedules.id = {event}.subject_id)
        WHEN 'recording' THEN (
            SELECT cameras.site_id FROM recordings JOIN cameras ON cameras.id = recordings.camera_id
            WHERE recordings.id = {event}.subject_id LIMIT 1)
    END"""


def upgrade() -> None:
    """Add the columns, and a trigger that tells each event's site, whoever writes the event and however."""
    op.add_column("operators", sa.Column("site_ids", postgresql.ARRAY(sa.Uuid()), nullable=True))
    op.add_column("api_keys", sa.Column("site_ids", postgresql.ARRAY(sa.Uuid()), nullable=True))
    op.add_column("api_keys", sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=True))
    op.add_column("events", sa.Column("site_id", sa.Uuid(), nullable=True))
    op.execute(
        f"UPDATE events SET site_id = {_SITE_OF.format(event='events')} "  # noqa: S608 - the text above
        "WHERE subject_type IN ('site', 'camera', 'client', 'schedule', 'recording')"
    )
    op.create_index(
        "ix_events_site_id_occurred_at",
        "events",
        ["site_id", "occurred_at"],
        postgresql_where=sa.text("site_id IS NOT NULL"),
    )
    op.execute(
        "CREATE FUNCTION event_site() RETURNS trigger LANGUAGE plpgsql AS $$ "
        f"BEGIN NEW.site_id := coalesce(NEW.site_id, {_SITE_OF.format(event='NEW')}); RETURN NEW; END $$"
    )
    op.execute("CREATE TRIGGER event_site BEFORE INSERT ON events FOR EACH ROW EXECUTE FUNCTION event_site()")


def downgrade() -> None:
    """Forget the limits. Whoever had one could see everything without it, and is shut out instead."""
    op.execute("UPDATE operators SET is_active = false WHERE site_ids IS NOT NULL")
    op.execute(
        "UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE site_ids IS NOT NULL OR scopes IS NOT NULL"
    )
    op.execute("DROP TRIGGER event_site ON events")
    op.execute("DROP FUNCTION event_site()")
    op.drop_index("ix_events_site_id_occurred_at", "events")
    op.drop_column("events", "site_id")
    op.drop_column("api_keys", "scopes")
    op.drop_column("api_keys", "site_ids")
    op.drop_column("operators", "site_ids")
