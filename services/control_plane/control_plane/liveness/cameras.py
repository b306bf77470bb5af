"""What is wrong with cameras: judged from what their recorders said last, and from what schedules want now."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from camfleet_contract.heartbeats import CameraCondition
from control_plane.fleet.contact import ONLINE_WITHIN
from control_plane.liveness.kinds import CHANGED_CAMERA, NEW_CAMERA, Kind
from control_plane.liveness.recorders import HINDERING
from control_plane.liveness.told import clock_behind, instant, mappings
from control_plane.liveness.troubles import Look, Verdict

OVERLOADED = "recorder_overloaded"
_DOWN = (
    CameraCondition.UNREACHABLE,
    CameraCondition.REFUSED,
    CameraCondition.STALLED,
    CameraCondition.UNSUPPORTED,
)
_RECORDING = CameraCondition.RECORDING
_BEGUN = (None, CameraCondition.IDLE, CameraCondition.CONNECTING)
"""With an open recording these are no news: the heartbeat is from before it began."""

# One `jsonb_to_record` a recorder, since each look into a column of this size unpacks it anew.
_READ = text("""
    WITH recorder AS MATERIALIZED (
        SELECT client.id, contact.last_contact_at, contact.last_heartbeat_at, told.clock, told.cameras,
               coalesce(contact.last_contact_at > CAST(:online_since AS timestamptz), false) AS is_online,
               coalesce(jsonb_path_exists(
                   told.problems, '$[*] ? (@.code == $codes[*])', CAST(:hindering AS jsonb)), false) AS is_hindered,
               coalesce(jsonb_path_exists(
                   told.problems, '$[*] ? (@.code == $codes[*])', CAST(:overloaded AS jsonb)), false) AS is_overloaded
        FROM clients AS client
        LEFT JOIN client_contacts AS contact ON contact.client_id = client.id
        LEFT JOIN LATERAL jsonb_to_record(
            CASE WHEN jsonb_typeof(contact.heartbeat) = 'object' THEN contact.heartbeat END
        ) AS told(clock text, cameras jsonb, problems jsonb) ON true
        WHERE client.is_active
    ), state AS MATERIALIZED (
        SELECT recorder.id AS client_id, told.camera_id, told.condition, told.since, told.reason
        FROM recorder CROSS JOIN LATERAL jsonb_to_recordset(
            CASE WHEN jsonb_typeof(recorder.cameras) = 'array' THEN recorder.cameras ELSE '[]' END
        ) AS told(camera_id text, condition text, since text, reason text)
        WHERE recorder.is_online
    ), due AS MATERIALIZED (
        SELECT DISTINCT schedule.camera_id AS id
        FROM due_windows AS due JOIN schedules AS schedule ON schedule.id = due.schedule_id
        WHERE schedule.is_active AND due.opens_at <= CAST(:now AS timestamptz)
          AND due.closes_at > CAST(:now AS timestamptz)
    ), seen AS MATERIALIZED (
        SELECT assigned.camera_id AS id, bool_or(state.condition = :recording) AS is_recording,
               bool_or(state.condition = ANY(CAST(:down AS text[]))) AS is_down
        FROM client_cameras AS assigned JOIN state
          ON state.client_id = assigned.client_id AND state.camera_id = assigned.camera_id::text
        GROUP BY assigned.camera_id
    ), begun AS MATERIALIZED (
        SELECT DISTINCT camera_id AS id FROM recordings
        WHERE status IN ('scheduled', 'recording') AND status = 'recording'
    ), wanted AS MATERIALIZED (
        SELECT camera.id, camera.name, camera.created_at, camera.updated_at, due.id IS NOT NULL AS is_due,
               begun.id IS NOT NULL AS is_begun,
               EXISTS (
                   SELECT FROM troubles WHERE subject_id = camera.id AND kind = 'camera.down'
                   AND event_id IS NOT NULL AND clear_since IS NULL
               ) AS is_known_down
        FROM cameras AS camera
        LEFT JOIN due ON due.id = camera.id
        LEFT JOIN seen ON seen.id = camera.id
        LEFT JOIN begun ON begun.id = camera.id
        WHERE camera.is_active AND camera.recording_mode = 'local_client' AND (
            (NOT coalesce(seen.is_recording, false) AND (seen.is_down OR due.id IS NOT NULL))
            OR EXISTS (SELECT FROM troubles WHERE subject_id = camera.id)
        )
    )
    SELECT wanted.*, jsonb_agg(jsonb_build_object(
        'last_contact_at', recorder.last_contact_at, 'heard_at', recorder.last_heartbeat_at,
        'clock', recorder.clock, 'is_online', recorder.is_online, 'is_hindered', recorder.is_hindered,
        'is_overloaded', recorder.is_overloaded, 'condition', state.condition, 'since', state.since,
        'reason', state.reason
    )) FILTER (WHERE recorder.id IS NOT NULL) AS recorders
    FROM wanted
    LEFT JOIN client_cameras AS assigned ON assigned.camera_id = wanted.id
    LEFT JOIN recorder ON recorder.id = assigned.client_id
    LEFT JOIN state ON state.client_id = assigned.client_id AND state.camera_id = assigned.camera_id::text
    GROUP BY wanted.id, wanted.name, wanted.created_at, wanted.updated_at, wanted.is_due, wanted.is_begun,
        wanted.is_known_down
""").columns(recorders=JSONB)


@dataclass(frozen=True, slots=True)
class Teller:
    """What one recorder in service knows of a camera."""

    is_online: bool
    was_heard: bool
    """Whether it has ever called."""
    is_hindered: bool = False
    """It says that no camera can be recorded, and why."""
    is_overloaded: bool = False
    condition: CameraCondition | None = None
    since: datetime | None = None
    reason: str = ""

    @property
    def is_down(self) -> bool:
        """Whether it says that the camera is in trouble, and not itself."""
        if self.condition is CameraCondition.STALLED and (self.is_overloaded or self.is_hindered):
            return False  # due, and not even tried
        return self.condition in _DOWN


@dataclass(frozen=True, slots=True)
class Watched:
    """What is known of one camera that may be in trouble."""

    id: uuid.UUID
    name: str
    created_at: datetime
    updated_at: datetime
    is_due: bool = False
    is_begun: bool = False
    """Whether a recording of it is open."""
    is_known_down: bool = False
    """Whether its event goes on."""
    tellers: Sequence[Teller] = ()
    """The recorders in service that it is assigned to."""


async def read_cameras(session: AsyncSession, now: datetime) -> list[Watched]:
    """The active cameras of which there is anything to judge."""
    rows = await session.execute(
        _READ,
        {
            "now": now,
            "online_since": now - ONLINE_WITHIN,
            "hindering": json.dumps({"codes": HINDERING}),
            "overloaded": json.dumps({"codes": [OVERLOADED]}),
            "recording": str(_RECORDING),
            "down": [str(condition) for condition in _DOWN],
        },
    )
    return [
        Watched(
            id=row.id,
            name=row.name,
            created_at=row.created_at,
            updated_at=row.updated_at,
            is_due=row.is_due,
            is_begun=row.is_begun,
            is_known_down=row.is_known_down,
            tellers=tuple(_teller(told, now) for told in mappings(row.recorders)),
        )
        for row in rows
    ]


def _teller(told: Mapping[str, Any], now: datetime) -> Teller:
    condition = told["condition"]
    behind = clock_behind(told["clock"], instant(told["heard_at"], now))
    return Teller(
        is_online=told["is_online"],
        was_heard=told["last_contact_at"] is not None,
        is_hindered=told["is_hindered"],
        is_overloaded=told["is_overloaded"],
        condition=CameraCondition(condition) if condition in set(CameraCondition) else None,
        since=instant(told["since"], now, behind),
        reason=str(told["reason"] or ""),
    )


def verdicts(camera: Watched) -> Iterator[Verdict]:
    """One for each kind. Where the recorder's own trouble explains it, that is its own event and nothing is told."""
    not_before = max(camera.created_at + NEW_CAMERA, camera.updated_at + CHANGED_CAMERA)
    down = _down(camera, not_before)
    yield down
    yield _missing(camera, not_before, down.look)


def _down(camera: Watched, not_before: datetime) -> Verdict:
    key = (Kind.DOWN, camera.id)
    there = [teller for teller in camera.tellers if teller.is_online]
    if any(teller.condition is _RECORDING for teller in there):
        return Verdict(key, Look.RIGHT)
    if first := next((teller for teller in there if teller.is_down), None):
        detail = {"name": camera.name, "condition": first.condition, "reason": first.reason}
        return Verdict(key, Look.WRONG, first.since, not_before, detail)
    if not there and any(teller.was_heard for teller in camera.tellers):
        return Verdict(key, Look.UNKNOWN)
    # It may answer in a moment, or not.
    is_trying = any(teller.condition in {None, CameraCondition.CONNECTING} or teller.is_hindered for teller in there)
    return Verdict(key, Look.UNKNOWN if is_trying else Look.RIGHT)


def _missing(camera: Watched, not_before: datetime, down: Look) -> Verdict:
    key = (Kind.NOT_RECORDING, camera.id)
    there = [teller for teller in camera.tellers if teller.is_online]
    if not camera.is_due or down is Look.WRONG or any(teller.condition is _RECORDING for teller in there):
        return Verdict(key, Look.RIGHT)
    if not there and any(teller.was_heard for teller in camera.tellers):
        return Verdict(key, Look.UNKNOWN)
    if any(teller.is_hindered for teller in there) or (down is Look.UNKNOWN and camera.is_known_down):
        return Verdict(key, Look.UNKNOWN)  # explained by what goes on
    if camera.is_begun and any(teller.condition in _BEGUN for teller in there):
        return Verdict(key, Look.RIGHT)
    detail = {"name": camera.name, "reason": _why(camera.tellers, there)}
    return Verdict(key, Look.WRONG, not_before=not_before, detail=detail)


def _why(tellers: Sequence[Teller], there: Sequence[Teller]) -> str:
    if not tellers:
        return "no recorder in service has this camera"
    if not there:
        return "its recorder has never called"
    first = there[0]
    if first.reason:
        return first.reason
    return f"its recorder says: {first.condition}" if first.condition else "its recorder says nothing of it"
