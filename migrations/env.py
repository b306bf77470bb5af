"""How Alembic reaches the database: over the connection that the control plane hands it."""

from alembic import context
from sqlalchemy.sql.schema import SchemaItem

from control_plane.models import Base


def _is_ours(item: SchemaItem, name: str | None, kind: str, reflected: bool, compare_to: SchemaItem | None) -> bool:
    """Leave out the partitions: they are made month by month, not by migrations."""
    del item
    partition = kind == "table" and reflected and compare_to is None and name is not None and "_p" in name
    return not partition


def migrate() -> None:
    """Run inside `control_plane.migration`, which opens the connection and its transaction."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        include_object=_is_ours,
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


migrate()
