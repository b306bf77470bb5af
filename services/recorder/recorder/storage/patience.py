"""How long an upload waits, and for what."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime

from recorder.backoff import Backoff

LONGEST_ASKED = timedelta(minutes=5)
"""A server may ask for more, by a wrong clock or a wrong setting: it is asked again all the same."""


async def _sleep(wait: timedelta) -> None:
    await asyncio.sleep(wait.total_seconds())


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an upload is tried again without progress, and how long it waits between."""

    attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    sleep: Callable[[timedelta], Awaitable[None]] = _sleep
    silence: timedelta = timedelta(seconds=60)
    """A request in which for so long no byte goes out and no answer comes is given up."""

    async def wait(self, failures: int, asked: timedelta) -> None:
        """After so many failures in a row; at least as long as the server asked for."""
        await self.sleep(max(self.backoff.wait(failures), asked))


def asked_wait(headers: Mapping[str, str]) -> timedelta:
    """What `Retry-After` asks for (RFC 9110, section 10.2.3), within bounds; nothing where it makes no sense."""
    told = headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit() and len(told) < 10:  # noqa: PLR2004 - a number that a timedelta can hold
        return min(timedelta(seconds=int(told)), LONGEST_ASKED)
    try:
        # By the server's own clock: ours may be wrong.
        wait = parsedate_to_datetime(told) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return timedelta(0)
    return min(max(wait, timedelta(0)), LONGEST_ASKED)
