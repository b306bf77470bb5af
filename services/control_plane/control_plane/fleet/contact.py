"""Whether a recorder is online: it follows from the age of its last call, no job flips a flag."""

from datetime import datetime, timedelta

ONLINE_WITHIN = timedelta(seconds=90)
"""Predecessor clients ask for their schedules every 30 s, ours at least as often: three calls may be lost."""


def is_online(last_contact_at: datetime | None, now: datetime) -> bool:
    """Whether a recorder that last called then counts as online at `now`."""
    return last_contact_at is not None and now - last_contact_at < ONLINE_WITHIN
