"""Tell every control plane which recorder's configuration has changed, whoever changed it and however."""

from collections.abc import Sequence

from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Both the old row and the new one are looked at, since a camera, a schedule or a recorder may have moved.
_FUNCTIONS = {
    "clients": "PERFORM pg_notify('config_changed', coalesce(NEW.id, OLD.id)::text);",
    "client_cameras": """
        PERFORM pg_notify('config_changed', client_id::text)
        FROM (SELECT OLD.client_id UNION SELECT NEW.client_id) AS changed (client_id)
        WHERE client_id IS NOT NULL;""",
    "cameras": """
        PERFORM pg_notify('config_changed', client_id::text)
        FROM client_cameras WHERE camera_id IN (OLD.id, NEW.id);""",
    "schedules": """
        PERFORM pg_notify('config_changed', client_id::text)
        FROM client_cameras WHERE camera_id IN (OLD.camera_id, NEW.camera_id);""",
    # A camera records in the zone of its own site, a manual run is named in the zone of the recorder's.
    "sites": """
        PERFORM pg_notify('config_changed', client_id::text)
        FROM (
            SELECT client_cameras.client_id FROM client_cameras JOIN cameras ON cameras.id = client_cameras.camera_id
            WHERE cameras.site_id IN (OLD.id, NEW.id)
            UNION SELECT clients.id FROM clients WHERE clients.site_id IN (OLD.id, NEW.id)
        ) AS changed (client_id);""",
}


def upgrade() -> None:
    for table, statement in _FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION {table}_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN {statement} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER config_changed AFTER INSERT OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION {table}_config_changed()"
        )
        # The timestamps alone are no change, and a form that is saved as it was changes only those.
        op.execute(
            f"CREATE TRIGGER config_changed_by_update AFTER UPDATE ON {table} FOR EACH ROW "
            "WHEN (to_jsonb(OLD) - 'updated_at' IS DISTINCT FROM to_jsonb(NEW) - 'updated_at') "
            f"EXECUTE FUNCTION {table}_config_changed()"
        )


def downgrade() -> None:
    for table in _FUNCTIONS:
        op.execute(f"DROP TRIGGER config_changed_by_update ON {table}")
        op.execute(f"DROP TRIGGER config_changed ON {table}")
        op.execute(f"DROP FUNCTION {table}_config_changed()")
