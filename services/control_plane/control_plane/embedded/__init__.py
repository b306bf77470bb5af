"""The embedded PostgreSQL: for the demo, the tests, and one small site that wants no database server of its own."""

from control_plane.embedded.server import EmbeddedPostgres, EmbeddedPostgresError, InUseError, running_url

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError", "InUseError", "running_url"]
