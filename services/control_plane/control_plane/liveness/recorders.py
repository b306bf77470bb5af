"""What is wrong with recorders: judged from the last contact and from what the last heartbeat said."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.fleet.contact import Contact, contact_at
from control_plane.liveness.backlogs import OLD, Mark, Waiting, judged
from control_plane.liveness.kinds import Kind
from control_plane.liveness.told import instant, mapping, mappings, number
from control_plane.liveness.troubles import Look, Verdict

DISK_PROBLEMS = (
    "disk_missing",
    "folder_unusable",
    "recording_hindered",
    "disk_nearly_full",
    "disk_held",
    "disk_slow",
    "retention_failed",
    "spool_unreadable",
)
HINDERING = ("disk_missing", "folder_unusable", "recording_hindered")
"""Of these, the ones with which no camera is recorded."""
CLOCK_PROBLEM = "clock_wrong"
JUST_STARTED = 30
"""So many heartbeats after its start a recorder foresees what it foresaw before."""

# One `jsonb_to_record`, since each look into a column of this size unpacks it anew.
_READ = text("""
    SELECT client.id, client.name, contact.last_contact_at, told.version, told.sequence, told.problems, told.at_risk,
           told.backlog, told.uplink -> 'is_open' AS is_open, mark.marked_at, mark.bytes, mark.growing_since,
           mark.is_judged
    FROM clients AS client
    JOIN client_contacts AS contact ON contact.client_id = client.id
    LEFT JOIN backlog_marks AS mark ON mark.client_id = client.id
    LEFT JOIN LATERAL jsonb_to_record(
        CASE WHEN jsonb_typeof(contact.heartbeat) = 'object' THEN contact.heartbeat END
    ) AS told(version text, sequence jsonb, problems jsonb, at_risk jsonb, backlog jsonb, uplink jsonb) ON true
    WHERE client.is_active AND (
        contact.last_contact_at <= CAST(:silent_since AS timestamptz)
        OR jsonb_path_exists(told.problems, '$[*]')
        OR jsonb_typeof(told.at_risk) = 'object'
        OR told.version NOT LIKE :our_version
        OR told.backlog ->> 'oldest' < :old
        OR mark.client_id IS NOT NULL
        OR EXISTS (SELECT FROM troubles WHERE subject_id = client.id)
    )
""").columns(sequence=JSONB, problems=JSONB, at_risk=JSONB, backlog=JSONB, is_open=JSONB, is_judged=Boolean)


@dataclass(frozen=True, slots=True)
class Recorder:
    """What is known of one recorder that may be in trouble."""

    id: uuid.UUID
    name: str
    last_contact_at: datetime
    version: str | None = None
    sequence: int = 0
    problems: Sequence[Mapping[str, Any]] = ()
    at_risk: Mapping[str, Any] | None = None
    waiting: Waiting | None = None
    mark: Mark | None = None


async def read_recorders(
    session: AsyncSession, our_version: str, silent_since: datetime, now: datetime
) -> list[Recorder]:
    """The recorders in service of which there is anything to judge."""
    rows = await session.execute(
        _READ,
        {
            "silent_since": silent_since,
            "our_version": f"{'.'.join(str(part) for part in release(our_version) or (0, 0))}.%",
            # As the contract writes instants, which sort as text.
            "old": (now - OLD).strftime("%Y-%m-%dT%H:%M:%S"),
        },
    )
    return [
        Recorder(
            id=row.id,
            name=row.name,
            last_contact_at=row.last_contact_at,
            version=row.version,
            sequence=number(row.sequence),
            problems=mappings(row.problems),
            at_risk=row.at_risk if isinstance(row.at_risk, dict) else None,
            waiting=_waiting(row, now),
            mark=Mark(row.marked_at, row.bytes, row.growing_since, row.is_judged) if row.marked_at else None,
        )
        for row in rows
    ]


def _waiting(row: Any, now: datetime) -> Waiting | None:
    backlog = mapping(row.backlog)
    oldest = instant(backlog.get("oldest"), now)
    if oldest is None:
        return None
    return Waiting(
        number(backlog.get("bytes")), number(backlog.get("segments")), oldest, is_open=row.is_open is not False
    )


def measured(recorder: Recorder, now: datetime) -> Recorder:
    """The recorder with its backlog measured at `now`, if it is there to tell of it."""
    if contact_at(recorder.last_contact_at, now) is not Contact.ONLINE:
        return recorder
    return replace(recorder, mark=judged(recorder.mark, recorder.waiting, now))


def verdicts(recorder: Recorder, our_version: str, now: datetime, *, is_listening: bool) -> Iterator[Verdict]:
    """One for each kind. `is_listening`: whether a recorder that called in the last minutes would have been heard."""
    contact = contact_at(recorder.last_contact_at, now)
    yield _silence(recorder, contact, is_listening=is_listening)
    told = _told_verdicts(recorder, our_version, now)
    if contact is Contact.ONLINE:
        yield from told
        return
    for verdict in told:  # what it said last may be long over
        yield Verdict(verdict.key, Look.UNKNOWN)


def _silence(recorder: Recorder, contact: Contact, *, is_listening: bool) -> Verdict:
    key = (Kind.OFFLINE, recorder.id)
    if contact is Contact.ONLINE:
        return Verdict(key, Look.RIGHT)
    if contact is Contact.LATE or not is_listening:
        return Verdict(key, Look.UNKNOWN)
    return Verdict(key, Look.WRONG, recorder.last_contact_at, detail={"name": recorder.name})


def _told_verdicts(recorder: Recorder, our_version: str, now: datetime) -> Iterator[Verdict]:
    yield _problems(recorder, Kind.DISK, DISK_PROBLEMS, now)
    yield _problems(recorder, Kind.CLOCK, (CLOCK_PROBLEM,), now)
    yield _skew(recorder, our_version)
    yield _loss(recorder, now)
    yield _growth(recorder)


def _problems(recorder: Recorder, kind: Kind, codes: Sequence[str], now: datetime) -> Verdict:
    found = [problem for problem in recorder.problems if problem.get("code") in codes]
    if not found:
        return Verdict((kind, recorder.id), Look.RIGHT)
    # The gravest comes first.
    reason = str(found[0].get("text") or found[0]["code"])
    detail = {"name": recorder.name, "problem": found[0]["code"], "reason": reason}
    return Verdict((kind, recorder.id), Look.WRONG, instant(found[0].get("since"), now), detail=detail)


def _skew(recorder: Recorder, our_version: str) -> Verdict:
    key = (Kind.VERSION, recorder.id)
    theirs, ours = release(recorder.version or ""), release(our_version)
    if theirs is None or ours is None:
        return Verdict(key, Look.UNKNOWN if recorder.version else Look.RIGHT)
    if theirs == ours:
        return Verdict(key, Look.RIGHT)
    advice = "upgrade the recorder" if theirs < ours else "upgrade the control plane"
    detail = {"name": recorder.name, "recorder": recorder.version, "control_plane": our_version, "reason": advice}
    return Verdict(key, Look.WRONG, detail=detail)


def release(version: str) -> tuple[int, int] | None:
    """The parts of a version that change what it can: `0.1.7` is the release 0.1."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _loss(recorder: Recorder, now: datetime) -> Verdict:
    key = (Kind.AT_RISK, recorder.id)
    if recorder.at_risk is None:
        return Verdict(key, Look.UNKNOWN if 0 < recorder.sequence <= JUST_STARTED else Look.RIGHT)
    told = {name: recorder.at_risk.get(name) for name in ("loss_at", "rule", "needed_bytes_per_second")}
    return Verdict(key, Look.WRONG, instant(recorder.at_risk.get("since"), now), detail={"name": recorder.name, **told})


def _growth(recorder: Recorder) -> Verdict:
    key = (Kind.BACKLOG, recorder.id)
    mark = recorder.mark
    if mark is None:
        return Verdict(key, Look.UNKNOWN if recorder.waiting and not recorder.waiting.is_open else Look.RIGHT)
    if not mark.is_judged:
        return Verdict(key, Look.UNKNOWN)
    if mark.growing_since is None or recorder.waiting is None:
        return Verdict(key, Look.RIGHT)
    detail = {
        "name": recorder.name,
        "segments": recorder.waiting.segments,
        "bytes": recorder.waiting.size_bytes,
        "oldest": recorder.waiting.oldest.isoformat(),
    }
    return Verdict(key, Look.WRONG, mark.growing_since, detail=detail)
