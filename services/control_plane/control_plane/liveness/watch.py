"""One look at the whole fleet: what is wrong is compared with what was, and the difference is written, in one go."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from control_plane.events import BACKGROUND
from control_plane.fleet.contact import OFFLINE_AFTER
from control_plane.liveness import cameras, recorders
from control_plane.liveness.backlogs import Mark
from control_plane.liveness.kinds import Kind
from control_plane.liveness.listening import was_listening
from control_plane.liveness.recorders import Recorder
from control_plane.liveness.troubles import Begin, Changes, End, Key, Look, Trouble, Verdict, changes

ADVISORY_LOCK = 7_221_005
_KINDS = {str(kind): kind for kind in Kind}

_TROUBLES = text("SELECT kind, subject_id, began_at, clear_since, event_id FROM troubles")

_KEEP = text("""
    INSERT INTO troubles (kind, subject_id, began_at, clear_since, event_id)
    SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:subjects AS uuid[]), CAST(:began AS timestamptz[]),
                         CAST(:clear AS timestamptz[]), CAST(:events AS uuid[]))
    ON CONFLICT (subject_id, kind) DO UPDATE SET clear_since = excluded.clear_since, event_id = excluded.event_id
""")

_FORGET = text("""
    DELETE FROM troubles USING unnest(CAST(:kinds AS text[]), CAST(:subjects AS uuid[])) AS over(kind, subject_id)
    WHERE troubles.subject_id = over.subject_id AND troubles.kind = over.kind
""")

_BEGIN = text("""
    INSERT INTO events (subject_id, occurred_at, id, subject_type, kind, actor, is_lasting, detail)
    SELECT subject_id, occurred_at, id, split_part(kind, '.', 1), kind, :actor, true, CAST(detail AS jsonb)
    FROM unnest(CAST(:subjects AS uuid[]), CAST(:began AS timestamptz[]), CAST(:events AS uuid[]),
                CAST(:kinds AS text[]), CAST(:details AS text[])) AS told(subject_id, occurred_at, id, kind, detail)
""")

_END = text("""
    UPDATE events SET ended_at = over.ended_at
    FROM unnest(CAST(:subjects AS uuid[]), CAST(:began AS timestamptz[]), CAST(:events AS uuid[]),
                CAST(:ended AS timestamptz[])) AS over(subject_id, occurred_at, id, ended_at)
    WHERE events.subject_id = over.subject_id AND events.occurred_at = over.occurred_at AND events.id = over.id
""")

_MARK = text("""
    INSERT INTO backlog_marks (client_id, marked_at, bytes, growing_since, is_judged)
    SELECT * FROM unnest(CAST(:clients AS uuid[]), CAST(:marked AS timestamptz[]), CAST(:bytes AS bigint[]),
                         CAST(:growing AS timestamptz[]), CAST(:judged AS boolean[])) AS mark(client_id)
    WHERE EXISTS (SELECT FROM clients WHERE clients.id = mark.client_id)
    ON CONFLICT (client_id) DO UPDATE SET marked_at = excluded.marked_at, bytes = excluded.bytes,
        growing_since = excluded.growing_since, is_judged = excluded.is_judged
""")

_UNMARK = text("DELETE FROM backlog_marks WHERE client_id = ANY(CAST(:clients AS uuid[]))")


@dataclass(frozen=True, slots=True)
class Noted:
    """How many events a look began and ended."""

    begun: int = 0
    ended: int = 0


async def look(session: AsyncSession, our_version: str, now: datetime) -> Noted:
    """Begin the events of what is wrong, end those of what is over. Safe to repeat, and on several replicas at once."""
    if not await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK}):
        return Noted()  # another replica looks just now
    # A hundred thousand cameras are joined and grouped: not by way of the disk.
    await session.execute(text("SET LOCAL work_mem = '64MB'"))
    known = await _troubles(session)
    silent_since = now - OFFLINE_AFTER
    is_listening = await was_listening(session, silent_since, now)
    before = await recorders.read_recorders(session, our_version, silent_since, now)
    measured = [recorders.measured(recorder, now) for recorder in before]
    await _keep_marks(session, before, measured)
    found = [
        verdict
        for recorder in measured
        for verdict in recorders.verdicts(recorder, our_version, now, is_listening=is_listening)
    ]
    found += [verdict for camera in await cameras.read_cameras(session, now) for verdict in cameras.verdicts(camera)]
    difference = changes(known, [*found, *_gone(known, found)], now)
    await _write(session, difference)
    return Noted(len(difference.begins), len(difference.ends))


def _gone(known: Mapping[Key, Trouble], found: Sequence[Verdict]) -> Iterator[Verdict]:
    """Of what was deleted, or taken out of service, nothing is read."""
    seen = {verdict.key for verdict in found}
    return (Verdict(key, Look.GONE) for key in known if key not in seen)


async def _troubles(session: AsyncSession) -> dict[Key, Trouble]:
    rows = await session.execute(_TROUBLES)
    found = [
        Trouble((_KINDS[row.kind], row.subject_id), row.began_at, row.clear_since, row.event_id)
        for row in rows
        if row.kind in _KINDS  # a replica of a later version may know more
    ]
    return {trouble.key: trouble for trouble in found}


async def _keep_marks(session: AsyncSession, before: Sequence[Recorder], after: Sequence[Recorder]) -> None:
    changed = [(new.id, new.mark) for old, new in zip(before, after, strict=True) if old.mark != new.mark]
    marks: list[tuple[uuid.UUID, Mark]] = [(client_id, mark) for client_id, mark in changed if mark is not None]
    if gone := [client_id for client_id, mark in changed if mark is None]:
        await session.execute(_UNMARK, {"clients": gone})
    if marks:
        await session.execute(
            _MARK,
            {
                "clients": [client_id for client_id, _ in marks],
                "marked": [mark.marked_at for _, mark in marks],
                "bytes": [mark.size_bytes for _, mark in marks],
                "growing": [mark.growing_since for _, mark in marks],
                "judged": [mark.is_judged for _, mark in marks],
            },
        )


async def _write(session: AsyncSession, difference: Changes) -> None:
    if difference.begins:
        await session.execute(_BEGIN, _begun(difference.begins))
    if difference.ends:
        await session.execute(_END, _ended(difference.ends))
    if difference.over:
        await session.execute(_FORGET, _keys(difference.over))
    if difference.kept:
        kept = {
            "began": [trouble.began_at for trouble in difference.kept],
            "clear": [trouble.clear_since for trouble in difference.kept],
            "events": [trouble.event_id for trouble in difference.kept],
        }
        await session.execute(_KEEP, _keys(difference.kept) | kept)


def _begun(begins: Sequence[Begin]) -> dict[str, object]:
    troubles = [begin.trouble for begin in begins]
    details = [json.dumps(begin.detail) for begin in begins]
    return _keys(troubles) | _events(troubles) | {"actor": BACKGROUND.name, "details": details}


def _ended(ends: Sequence[End]) -> dict[str, object]:
    troubles = [end.trouble for end in ends]
    subjects = {"subjects": [trouble.key[1] for trouble in troubles]}
    return subjects | _events(troubles) | {"ended": [end.ended_at for end in ends]}


def _events(troubles: Sequence[Trouble]) -> dict[str, object]:
    return {
        "began": [trouble.began_at for trouble in troubles],
        "events": [trouble.event_id for trouble in troubles],
    }


def _keys(troubles: Sequence[Trouble]) -> dict[str, object]:
    return {
        "kinds": [str(trouble.key[0]) for trouble in troubles],
        "subjects": [trouble.key[1] for trouble in troubles],
    }
