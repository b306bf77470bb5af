"""Recreates what the database knows of footage from what the store holds, and says where the two differ."""

from control_plane.rebuild.findings import Finding, Kind, Summary
from control_plane.rebuild.index import Rebuild

__all__ = ["Finding", "Kind", "Rebuild", "Summary"]
