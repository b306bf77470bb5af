"""What a recorder that has ended left on its disk and shouldn't have."""

from contextlib import closing
from pathlib import Path

from recorder.spool import SegmentState, Spool

_KEPT = {".camfleet-recorder"}


def orphans(base: Path) -> list[str]:
    """Files without a row, rows without a file, and rows that are still open; empty if all is in order."""
    with closing(Spool.open(base)) as spool:
        rows = {state: spool.segments.in_state(state) for state in SegmentState}
        on_disk = {spool.segments.file(row) for state in rows for row in rows[state] if state is not SegmentState.LOST}
    folder = base / "recordings"
    files = {path for path in folder.rglob("*") if path.is_file() and path.name not in _KEPT}
    return sorted(
        [f"no row: {path.relative_to(folder)}" for path in files - on_disk]
        + [f"no file: {path.relative_to(folder)}" for path in on_disk - files]
        + [f"still open: {row.id}" for row in rows[SegmentState.OPEN]]
        + [f"lost: {row.id}" for row in rows[SegmentState.LOST]]
    )
