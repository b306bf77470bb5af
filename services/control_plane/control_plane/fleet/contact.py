"""Whether a recorder is online: it follows from the age of its last call, no job flips a flag."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement

ONLINE_WITHIN = timedelta(seconds=90)
"""Predecessor clients ask for their schedules every 30 s, ours at least as often: three calls may be lost."""
OFFLINE_AFTER = 2 * ONLINE_WITHIN
"""A restart or a short hole in the network is no reason to call anybody."""


class Contact(StrEnum):
    """What the last call says."""

    ONLINE = "online"
    LATE = "late"
    """A call or more is missing: it may be back in a moment."""
    OFFLINE = "offline"
    """Silent for minutes, or never heard of."""


def contact_at(last_contact_at: datetime | None, now: datetime) -> Contact:
    """What is to be said at `now` of a recorder that last called then."""
    if last_contact_at is None or now - last_contact_at > OFFLINE_AFTER:
        return Contact.OFFLINE
    return Contact.ONLINE if now - last_contact_at < ONLINE_WITHIN else Contact.LATE


def is_online(last_contact_at: datetime | None, now: datetime) -> bool:
    """Whether a recorder that last called then counts as online at `now`."""
    return contact_at(last_contact_at, now) is Contact.ONLINE


def has_contact(last_contact_at: Any, contact: Contact, now: datetime) -> ColumnElement[bool]:
    """The rows of which `contact_at` says so, by the column of their last contact; of those without one, none."""
    condition: ColumnElement[bool]
    match contact:
        case Contact.ONLINE:
            condition = last_contact_at > now - ONLINE_WITHIN
        case Contact.LATE:
            condition = last_contact_at.between(now - OFFLINE_AFTER, now - ONLINE_WITHIN)
        case Contact.OFFLINE:
            condition = last_contact_at < now - OFFLINE_AFTER
    return condition
