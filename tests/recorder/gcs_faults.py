"""What can go wrong at which step of an upload to a bucket."""

import random
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum


class Step(StrEnum):
    """The requests of an upload."""

    OPEN = "open a session"
    FIRST = "first chunk"
    MIDDLE = "middle chunk"
    LAST = "last chunk"
    STATUS = "status query"
    METADATA = "metadata read"


class FaultKind(StrEnum):
    """What goes wrong with one request."""

    RESET_AT_ONCE = "reset before a byte is read"
    RESET_MIDWAY = "reset after half of the chunk is persisted"
    RESET_LATE = "reset after the body, nothing persisted"
    ANSWER_LOST = "all persisted, connection reset"
    STALL_AT_ONCE = "nothing is read, no answer"
    STALL_MIDWAY = "half is persisted, no answer"
    STALL_LATE = "all persisted, no answer"
    TIMED_OUT = "408, nothing persisted"
    TOO_MANY = "429, nothing persisted"
    BROKEN = "500, nothing persisted"
    UNAVAILABLE = "503, nothing persisted"
    PERSISTS_LESS = "308 with less than was sent"
    PERSISTS_NOTHING = "308 without Range"
    RANGE_BEYOND = "308 with more than there is"
    RANGE_BEHIND = "308 with less than there is"
    RANGE_MALFORMED = "308 with a Range that is none"
    ANSWER_GARBLED = "final answer without metadata"
    SESSION_GONE = "410"
    SESSION_EXPIRED = "404"
    NAME_TAKEN = "412, since another session stored the object"
    FORBIDDEN = "403"


STATUSES = {
    FaultKind.TIMED_OUT: 408,
    FaultKind.TOO_MANY: 429,
    FaultKind.BROKEN: 500,
    FaultKind.UNAVAILABLE: 503,
    FaultKind.FORBIDDEN: 403,
}
STALLS = {FaultKind.STALL_AT_ONCE, FaultKind.STALL_MIDWAY, FaultKind.STALL_LATE}
LIES = {FaultKind.RANGE_BEYOND, FaultKind.RANGE_BEHIND, FaultKind.RANGE_MALFORMED}
RETRY_AFTER = (None, "0", "Thu, 01 Jan 1970 00:00:00 GMT", "soon")

_ANSWERS = (FaultKind.TIMED_OUT, FaultKind.TOO_MANY, FaultKind.BROKEN, FaultKind.UNAVAILABLE)
_CONNECTION = (FaultKind.RESET_AT_ONCE, FaultKind.RESET_LATE, FaultKind.STALL_AT_ONCE)
_SESSION = (FaultKind.SESSION_GONE, FaultKind.SESSION_EXPIRED, FaultKind.NAME_TAKEN)
_BODY = (
    FaultKind.RESET_MIDWAY,
    FaultKind.STALL_MIDWAY,
    FaultKind.ANSWER_LOST,
    FaultKind.STALL_LATE,
    FaultKind.PERSISTS_LESS,
    FaultKind.PERSISTS_NOTHING,
)
POSSIBLE = {
    Step.OPEN: (*_CONNECTION, *_ANSWERS, FaultKind.ANSWER_LOST, FaultKind.NAME_TAKEN),
    Step.FIRST: (*_CONNECTION, *_ANSWERS, *_SESSION, *_BODY, *LIES),
    Step.MIDDLE: (*_CONNECTION, *_ANSWERS, *_SESSION, *_BODY, *LIES),
    Step.LAST: (*_CONNECTION, *_ANSWERS, *_SESSION, *_BODY, *LIES, FaultKind.ANSWER_GARBLED),
    Step.STATUS: (*_CONNECTION, *_ANSWERS, FaultKind.SESSION_GONE, FaultKind.SESSION_EXPIRED, *LIES),
    Step.METADATA: (*_CONNECTION, *_ANSWERS, FaultKind.ANSWER_GARBLED),
}


@dataclass
class Plan:
    """What is to go wrong with one object, step by step; each fault once."""

    content: bytes = b""
    """What another session stores, where the name is to be taken."""
    faults: dict[Step, deque[FaultKind]] = field(default_factory=dict)

    def next(self, step: Step) -> FaultKind | None:
        """The fault of a request at this step."""
        waiting = self.faults.get(step)
        return waiting.popleft() if waiting else None


def drawn(rng: random.Random, content: bytes) -> Plan:
    """Some faults at random; most at the steps that every upload has."""
    plan = Plan(content)
    for _ in range(rng.randint(1, 6)):
        step = rng.choice(list(Step))
        plan.faults.setdefault(step, deque()).append(rng.choice(sorted(POSSIBLE[step])))
    if Step.METADATA in plan.faults:
        # Metadata is read only where a session ends early.
        plan.faults.setdefault(Step.LAST, deque()).append(rng.choice(_SESSION))
    return plan
