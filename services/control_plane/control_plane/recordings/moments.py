"""Which moments a recorder can mean: clocks that were never set say 1970, broken ones say anything."""

from datetime import UTC, datetime, timedelta

from camfleet_contract.schedules import EARLIEST_YEAR, LATEST_YEAR
from control_plane.errors import Invalid

LONGEST_SEGMENT = timedelta(days=1)
"""How far before an interval a segment may begin that reaches into it. Recorders make some of an hour at most."""
EARLIEST, LATEST = datetime(EARLIEST_YEAR, 1, 1, tzinfo=UTC), datetime(LATEST_YEAR + 1, 1, 1, tzinfo=UTC)


def is_plausible(moment: datetime) -> bool:
    """Whether footage of that moment can exist."""
    return EARLIEST <= moment < LATEST


def plausible(field: str, moment: datetime) -> None:
    """Raise Invalid, naming the field, if footage of that moment can't exist."""
    if not is_plausible(moment):
        raise Invalid(field, IMPLAUSIBLE)


IMPLAUSIBLE = f"must lie in the years {EARLIEST_YEAR} to {LATEST_YEAR}: check the recorder's clock"
