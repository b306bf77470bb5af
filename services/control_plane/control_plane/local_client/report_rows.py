"""Reports of recordings applied in groups: one statement tells who calls and moves the recordings forward.

It does what `recordings.states.advanced` says, in SQL; a test holds the two together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from camfleet_contract.recordings import RecordingStatusReport
from control_plane.direct import Direct
from control_plane.groups import Groups
from control_plane.local_client.identities import CALLERS, CONTACTS, Written, written_by_place

# A row that somebody else holds just now is left to `apply_report`, which waits for it alone. What changes nothing is
# not written.
_APPLY = f"""
    WITH {CALLERS}, {CONTACTS}, known AS (
        SELECT caller.place, said.status AS said_status, said.started_at AS said_started_at,
               said.ended_at AS said_ended_at, coalesce(said.progress, 0) AS said_progress,
               coalesce(said.frames_recorded, 0) AS said_frames, coalesce(said.file_size, 0) AS said_size,
               said.gcp_path AS said_path, said.error_code AS said_code, said.error_message AS said_message, recording.*
        FROM caller
        JOIN unnest(
            $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::float8[], $8::bigint[], $9::bigint[],
            $10::text[], $11::text[], $12::text[]
        ) WITH ORDINALITY AS said (
            recording_id, status, started_at, ended_at, progress, frames_recorded, file_size, gcp_path, error_code,
            error_message, place
        ) USING (place)
        JOIN recordings AS recording ON recording.client_id = caller.id AND recording.id = said.recording_id
        FOR NO KEY UPDATE OF recording SKIP LOCKED
    ), step AS (
        SELECT *, CASE
            WHEN status = 'completed' THEN CASE WHEN said_status = 'completed' THEN 'fill in' END
            WHEN said_status = 'completed' THEN 'end'
            WHEN status NOT IN ('scheduled', 'recording') THEN NULL
            WHEN said_status IN ('failed', 'stopped') THEN 'end'
            WHEN said_status = 'recording' THEN 'count'
        END AS step
        FROM known
    ), advanced AS (
        SELECT client_id, id, said_status AS status,
               CASE WHEN step = 'end' OR status = 'scheduled' THEN coalesce(said_started_at, started_at)
                    ELSE started_at END AS started_at,
               CASE step WHEN 'end'
                    THEN greatest(coalesce(said_ended_at, ended_at, $13), coalesce(said_started_at, started_at))
                    ELSE ended_at END AS ended_at,
               CASE step WHEN 'fill in' THEN coalesce(nullif(progress, 0), said_progress)
                    ELSE greatest(progress, said_progress) END AS progress,
               CASE step WHEN 'fill in' THEN coalesce(nullif(frames_recorded, 0), said_frames)
                    ELSE greatest(frames_recorded, said_frames) END AS frames_recorded,
               CASE step WHEN 'fill in' THEN coalesce(nullif(file_size, 0), said_size)
                    ELSE greatest(file_size, said_size) END AS file_size,
               CASE step WHEN 'fill in' THEN coalesce(gcp_path, said_path) WHEN 'end' THEN coalesce(said_path, gcp_path)
                    ELSE gcp_path END AS gcp_path,
               CASE step WHEN 'end' THEN said_code ELSE error_code END AS error_code,
               CASE step WHEN 'end' THEN said_message ELSE error_message END AS error_message
        FROM step WHERE step IS NOT NULL
    ), written AS (
        UPDATE recordings AS recording SET
            status = advanced.status, started_at = advanced.started_at, ended_at = advanced.ended_at,
            progress = advanced.progress, frames_recorded = advanced.frames_recorded, file_size = advanced.file_size,
            gcp_path = advanced.gcp_path, error_code = advanced.error_code, error_message = advanced.error_message,
            updated_at = now()
        FROM advanced
        WHERE recording.client_id = advanced.client_id AND recording.id = advanced.id AND (
            recording.status, recording.started_at, recording.ended_at, recording.progress, recording.frames_recorded,
            recording.file_size, recording.gcp_path, recording.error_code, recording.error_message
        ) IS DISTINCT FROM (
            advanced.status, advanced.started_at, advanced.ended_at, advanced.progress, advanced.frames_recorded,
            advanced.file_size, advanced.gcp_path, advanced.error_code, advanced.error_message
        )
    )
    SELECT caller.place, caller.id, known.id IS NOT NULL AS is_written FROM caller LEFT JOIN known USING (place)
"""  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class _Said:
    token_sha256: bytes = field(repr=False)
    address: str | None
    report: RecordingStatusReport


class Reports:
    """Applies reports, many at a time."""

    def __init__(self, direct: Direct) -> None:
        self._direct = direct
        # Of one recording one after the other: a statement can't write the same row twice.
        self._groups: Groups[_Said, Written | None] = Groups(self._apply, key=lambda said: said.report.recording_id)

    async def apply(self, token_sha256: bytes, address: str | None, report: RecordingStatusReport) -> Written | None:
        """Apply one, and note the sign of life. None if the token is good no more, or never was."""
        return await self._groups.ask(_Said(token_sha256, address, report))

    async def _apply(self, group: Sequence[_Said]) -> list[Written | None]:
        reports = [said.report for said in group]
        rows = await self._direct.fetch(
            _APPLY,
            [said.token_sha256 for said in group],
            [said.address for said in group],
            [report.recording_id for report in reports],
            [report.status for report in reports],
            [report.started_at for report in reports],
            [report.ended_at for report in reports],
            [report.progress for report in reports],
            [report.frames_recorded for report in reports],
            [report.file_size for report in reports],
            [report.gcp_path for report in reports],
            [report.error_code for report in reports],
            [report.error_message for report in reports],
            datetime.now(UTC),
        )
        return written_by_place(rows, len(group))
