"""How Alembic reaches the database: over the connection that the control plane hands it."""

import re

from alembic import context
from sqlalchemy.sql.schema import SchemaItem

from control_plane.models import Base
from control_plane.partitions import PARTITIONED_TABLES

_PARTITION = re.compile(rf"({'|'.join(PARTITIONED_TABLES)})_(default|p\d{{6}})")


def _is_ours(item: SchemaItem, name: str | None, kind: str, reflected: bool, compare_to: SchemaItem | None) -> bool:
    """Leave out the partitions: they are made month by month, and are no tables of the models."""
    del item, reflected, compare_to
    return not (kind == "table" and name and _PARTITION.fullmatch(name))


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
