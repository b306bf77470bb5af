"""How long a camera that failed is left alone."""

from recorder.errors import PasswordRefused

FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 30.0
REFUSED_RETRY_SECONDS = 300.0
"""After a wrong password: cameras lock the account of whoever keeps asking."""
HEALTHY_SECONDS = 2.0


def failures_in_a_row(before: int, recorded_seconds: float) -> int:
    """How many failures the newest one makes, after a connection that gave footage for so long.

    Whoever gave footage was well again: this is another failure, not the old one going on. A moment of footage
    doesn't count, or a camera that breaks off at once would be asked every second.
    """
    return 1 if recorded_seconds >= HEALTHY_SECONDS else before + 1


def retry_seconds(failures: int, error: Exception, chance: float) -> float:
    """How long to wait after so many failures in a row. `chance` in [0, 1) spreads the cameras of a site."""
    if isinstance(error, PasswordRefused):
        return REFUSED_RETRY_SECONDS
    doubled = FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10)
    spread = min(LAST_RETRY_SECONDS, doubled) * (0.5 + 0.5 * chance) + FIRST_RETRY_SECONDS * 0.5
    return float(min(LAST_RETRY_SECONDS, spread))
