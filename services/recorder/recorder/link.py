"""How the recorder stands with the control plane, learnt from every call."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

import structlog

from recorder.errors import ControlPlaneError

log = structlog.get_logger(__name__)

AnyError = TypeVar("AnyError", bound=ControlPlaneError)


class LinkCondition(StrEnum):
    """The conditions of the link."""

    UNTRIED = "untried"
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    TOKEN_REFUSED = "token_refused"  # noqa: S105 - the name of a condition


@dataclass(frozen=True, slots=True)
class LinkState:
    """The condition, since when and why."""

    condition: LinkCondition
    since: datetime
    reason: str = ""
    last_contact: datetime | None = None


class Link:
    """Changes its state in one place and logs each change once, not each failed call."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.state = LinkState(LinkCondition.UNTRIED, now())

    def answered(self) -> None:
        """A call was answered, be it with a no."""
        self._turn(LinkCondition.CONNECTED, "")

    def lost(self, error: AnyError) -> AnyError:
        """A call failed; returns the error, to be raised."""
        self._turn(LinkCondition.UNREACHABLE, str(error))
        return error

    def refused(self, error: AnyError) -> AnyError:
        """A call was answered with 401; returns the error, to be raised."""
        self._turn(LinkCondition.TOKEN_REFUSED, str(error))
        return error

    def _turn(self, condition: LinkCondition, reason: str) -> None:
        now, before = self._now(), self.state
        connected = condition is LinkCondition.CONNECTED
        since = before.since if before.condition is condition else now
        self.state = LinkState(condition, since, reason, now if connected else before.last_contact)
        if before.condition is not condition:
            tell = log.info if connected else log.warning
            tell("control_plane_" + condition.value, reason=reason or None, was=before.condition.value)
