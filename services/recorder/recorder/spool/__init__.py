"""The recorder's disk: segment files plus one SQLite file that knows them.

Its invariants, and who keeps each:

1. A row exists before its file: `Segments.begin`, then the writer.
2. A sealed row's file is complete and synced: the writer closes, syncs, renames and syncs the folder, then
   `Segments.seal`.
3. A file goes only after `stored` or by a rule of retention, before its row, and never while it is held: `Removals`.
4. The data disk carries a marker with this recorder's id: `Spool.check_disk`, before every segment.
"""

from recorder.spool.rows import (
    Backlog,
    BegunCommand,
    Head,
    Hold,
    HoldOrigin,
    MissedFootage,
    Occupied,
    Place,
    Recording,
    SceneEvent,
    Sealed,
    Segment,
    SegmentState,
)
from recorder.spool.spool import Spool

__all__ = [
    "Backlog",
    "BegunCommand",
    "Head",
    "Hold",
    "HoldOrigin",
    "MissedFootage",
    "Occupied",
    "Place",
    "Recording",
    "SceneEvent",
    "Sealed",
    "Segment",
    "SegmentState",
    "Spool",
]
