"""What a rebuild found: objects and rows that don't agree, and how many do."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How an object and the database disagree, or why nothing could be made of the object."""

    FOREIGN = "foreign"
    """Its name is none that camfleet gives."""
    UNDESCRIBED = "undescribed"
    """It doesn't say enough of itself to make a row of it."""
    CONTRADICTORY = "contradictory"
    """What it says of itself is not what its name or its recording's row says."""
    DIFFERENT = "different"
    """There is a row of it, which says something else."""
    MISSING_OBJECT = "missing_object"
    """A row says that it is stored, and it is not there."""
    MISSING_ROW = "missing_row"
    """It was not known; only told by a dry run, since it is otherwise made."""
    NOT_READ = "not_read"
    """It went away, or changed, while it was looked at: run it again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One object or row."""

    kind: Kind
    object_name: str
    detail: str = ""
    differences: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    """By column: what the row says, and what the object says."""


@dataclass
class Summary:
    """How a rebuild went, counted while it goes."""

    tell: Callable[[Finding], None]
    objects: int = 0
    size_bytes: int = 0
    agreed: int = 0
    """Objects whose row says the same."""
    segments: int = 0
    """Rows that were made."""
    recordings: int = 0
    cameras: int = 0
    clients: int = 0
    found: Counter[Kind] = field(default_factory=Counter)

    def add(self, finding: Finding) -> None:
        """Count it and tell it."""
        self.found[finding.kind] += 1
        self.tell(finding)

    @property
    def differs(self) -> bool:
        """Whether store and database don't agree now."""
        return bool(self.found.total())

    def as_counts(self) -> dict[str, int]:
        """For a program to read."""
        made = {name: getattr(self, name) for name in ("segments", "recordings", "cameras", "clients")}
        return {
            "objects": self.objects,
            "bytes": self.size_bytes,
            "agreed": self.agreed,
            **{f"{name}_restored": count for name, count in made.items()},
            **{str(kind): self.found[kind] for kind in Kind},
        }
