"""What looking through a camera's footage can bring to light, in words for a person."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """Which kind of thing was found."""

    ROW_ALTERED = "row_altered"
    """The database's row is not what the recorder sealed, or the one before it isn't."""
    SEGMENT_REMOVED = "segment_removed"
    """A number of the chain has no row, though the recorder was told that it is stored."""
    SEGMENT_INSERTED = "segment_inserted"
    """A row that is no link of its recorder's chain."""
    OBJECT_MISSING = "object_missing"
    OBJECT_ALTERED = "object_altered"
    OBJECT_SWAPPED = "object_swapped"
    """The object has the bytes of another segment."""
    OBJECT_REPLACED = "object_replaced"
    """The same size and CRC32C, but written anew since."""
    OBJECT_INSERTED = "object_inserted"
    """An object that no row knows."""
    DELETION_UNEXPLAINED = "deletion_unexplained"
    """A row says that its object was deleted, and nobody who may delete has told so, or could have."""
    OBJECT_ELSEWHERE = "object_elsewhere"
    """Its row says that it lies in another store, so it was not looked at."""
    HEAD_DIFFERS = "head_differs"
    """The recorder told something else of its chain at the time."""
    WAITING = "waiting"
    UNCONFIRMED = "unconfirmed"
    """It lies behind the end of the chain that its recorder told last."""
    DELETED = "deleted"
    GIVEN_UP = "given_up"
    NOT_REBUILT = "not_rebuilt"
    """Numbers that were in no store and no row when the index was rebuilt."""
    NOT_CHAINED = "not_chained"


NOTES = {Kind.WAITING, Kind.UNCONFIRMED, Kind.NOT_REBUILT, Kind.DELETED, Kind.GIVEN_UP, Kind.NOT_CHAINED}
"""What is as it should be, and worth saying."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, and of which segment."""

    kind: Kind
    text: str
    segment_id: uuid.UUID | None = None
    chain_id: uuid.UUID | None = None
    sequence: int | None = None
    object_name: str | None = None

    @property
    def is_problem(self) -> bool:
        """Whether it is a difference that nothing explains."""
        return self.kind not in NOTES

    def __str__(self) -> str:
        number = f"#{self.sequence} " if self.sequence is not None else ""
        about = f"{number}{self.segment_id or ''}".strip() or self.object_name or "the chain"
        return f"{'PROBLEM' if self.is_problem else 'note'}: {about}: {self.text}"

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {
            "kind": self.kind,
            "problem": self.is_problem,
            "segment_id": str(self.segment_id) if self.segment_id else None,
            "chain_id": str(self.chain_id) if self.chain_id else None,
            "sequence": self.sequence,
            "object_name": self.object_name,
            "text": self.text,
        }


@dataclass(slots=True)
class Tally:
    """How much was looked at."""

    segments: int = 0
    objects: int = 0
    bytes_read: int = 0
    problems: int = 0
    notes: dict[Kind, int] = field(default_factory=dict)
    chains: list[dict[str, object]] = field(default_factory=list)
    """Where each ends, by what its recorder told last."""
