"""How fast and when this recorder may upload: what the console says, within what is set at the site."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from camfleet_contract.configuration import RecorderConfig
from camfleet_contract.messages import Interval
from camfleet_contract.schedules import Window
from camfleet_contract.uploading import Fetch, UploadHours, Uploading, both, is_open_at, openings
from camfleet_contract.zones import zone

UTC = ZoneInfo("UTC")
BITS = 8
KILO = 1000
_LOOK_AHEAD = timedelta(days=3)
"""Hours come back every day, also where a clock that is changed takes some away."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Uploads may go while all sets of hours are open; an empty set is open always."""

    limit_kbit: int | None = None
    hours: tuple[tuple[UploadHours, ...], ...] = ()
    zone: ZoneInfo = UTC

    @property
    def bytes_per_second(self) -> float | None:
        """The limit of all uploads together."""
        return None if self.limit_kbit is None else self.limit_kbit * KILO / BITS

    def is_open(self, now: datetime) -> bool:
        """Whether footage may be uploaded at `now`."""
        return is_open_at(self.openings(now, now + timedelta(seconds=1)), now)

    def changes_at(self, now: datetime) -> datetime | None:
        """When that changes next; None if it never does."""
        end = now + _LOOK_AHEAD
        edges = {edge for window in self.openings(now, end) for edge in (window.start, window.end)}
        return min((edge for edge in edges if now < edge < end), default=None)

    def openings(self, start: datetime, end: datetime) -> Sequence[Window]:
        """The stretches between two moments in which footage may be uploaded, in order."""
        between = Interval(start=start, end=end)
        found = [Window(start=start, end=end)]
        for hours in self.hours:
            found = both(found, openings(hours, self.zone, between))
        return found


def allowance(config: RecorderConfig | None, site: Uploading) -> Allowance:
    """The stricter of both, in the zone of the recorder's site; UTC before that is known."""
    told = (config and config.uploading) or Uploading()
    limits = [limit for limit in (told.limit_kbit, site.limit_kbit) if limit is not None]
    hours = tuple(tuple(each) for each in (told.hours, site.hours) if each)
    return Allowance(min(limits, default=None), hours, _zone(config))


def fetches(config: RecorderConfig | None, now: datetime) -> Sequence[Fetch]:
    """What the console wants first, as it was asked for: earliest first."""
    told = config.uploading.fetches if config and config.uploading else []
    return sorted((fetch for fetch in told if now < fetch.expires_at), key=lambda fetch: fetch.id)


def _zone(config: RecorderConfig | None) -> ZoneInfo:
    try:
        return zone(config.timezone) if config else UTC
    except ValueError:  # the problems tell of it
        return UTC
