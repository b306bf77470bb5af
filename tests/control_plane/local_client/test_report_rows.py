"""Reports in groups do what the rules say, and a row that somebody holds keeps nobody else waiting."""

import asyncio
import random
import uuid
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta

from uuid_utils.compat import uuid7

from camfleet_contract.recordings import RecordingStatus, RecordingStatusReport
from control_plane.local_client.report_rows import Reports
from control_plane.recordings.states import Progress, advanced
from control_plane.security.tokens import token_sha256
from tests.control_plane.local_client.sites import Place, Recorder
from tests.postgres import connect

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
COLUMNS = [field.name for field in fields(Progress)]


def moment(chance: random.Random) -> datetime:
    return NOON + timedelta(minutes=chance.randint(-60, 60))


def known(chance: random.Random) -> Progress:
    return Progress(
        status=chance.choice(list(RecordingStatus)),
        started_at=moment(chance),
        ended_at=chance.choice([None, moment(chance)]),
        progress=float(chance.randint(0, 3)),
        frames_recorded=chance.randint(0, 3),
        file_size=chance.randint(0, 3),
        gcp_path=chance.choice([None, "a", "b"]),
        error_code=chance.choice([None, "a", "b"]),
        error_message=chance.choice([None, "a", "b"]),
    )


def reported(chance: random.Random, recording_id: uuid.UUID) -> RecordingStatusReport:
    return RecordingStatusReport.model_validate(
        {
            "recording_id": recording_id,
            "status": chance.choice(list(RecordingStatus)),
            "started_at": chance.choice([None, moment(chance)]),
            "ended_at": chance.choice([None, moment(chance)]),
            "progress": chance.choice([None, 0, 1, 2, 3]),
            "frames_recorded": chance.choice([None, 0, 1, 2, 3]),
            "file_size": chance.choice([None, 0, 1, 2, 3]),
            "gcp_path": chance.choice([None, "", "a", "b"]),
            "error_code": chance.choice([None, "a", "b"]),
            "error_message": chance.choice([None, "a", "b"]),
        }
    )


async def test_the_statement_does_what_the_rules_say(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    chance = random.Random(5)
    before = {uuid7(): known(chance) for _ in range(600)}
    reports = [reported(chance, recording_id) for recording_id in before]
    names = ", ".join(COLUMNS)
    now = datetime.now(UTC)
    connection = await connect(place.service.services.engine.url.render_as_string(hide_password=False))
    try:
        await connection.executemany(
            f"INSERT INTO recordings (id, client_id, camera_id, name, {names}) VALUES ($1, $2, $3, 'Yard', "  # noqa: S608
            f"{', '.join(f'${number}' for number in range(4, 4 + len(COLUMNS)))})",
            [(id_, recorder.id, camera_id, *asdict(progress).values()) for id_, progress in before.items()],
        )
        rows: Reports = place.service.services.reports
        written = await asyncio.gather(*(rows.apply(token_sha256(recorder.token), None, report) for report in reports))
        assert all(one is not None and one.is_written for one in written)
        found = {row["id"]: row for row in await connection.fetch(f"SELECT id, {names} FROM recordings")}  # noqa: S608
    finally:
        await connection.close()
    for report in reports:
        after = Progress(**{name: found[report.recording_id][name] for name in COLUMNS})
        expected = advanced(before[report.recording_id], report, now)
        if expected.ended_at == now:
            # The moment of the statement, which came later.
            assert after.ended_at is not None
            assert now <= after.ended_at <= datetime.now(UTC)
            after = replace(after, ended_at=now)
        assert after == expected, (before[report.recording_id], report)


async def test_a_recording_that_somebody_holds_keeps_no_other_report_waiting(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    held, free = [await recorder.register(camera_id, recording_id=str(uuid7())) for _ in range(2)]
    connection = await connect(place.service.services.engine.url.render_as_string(hide_password=False))
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM recordings WHERE id = $1 FOR UPDATE", held)
            waiting = asyncio.create_task(recorder.report(held, "completed"))
            await recorder.report(free, "completed")
            assert not waiting.done()
        await waiting
    finally:
        await connection.close()
    assert {row["status"] for row in await place.rows("SELECT status FROM recordings")} == {"completed"}


async def test_a_report_that_changes_nothing_writes_nothing(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    recording_id = await recorder.register(camera_id)
    await recorder.report(recording_id, "recording", frames_recorded=5)
    before = await place.row("SELECT xmin::text, updated_at FROM recordings")
    await recorder.report(recording_id, "recording", frames_recorded=4)
    assert await place.row("SELECT xmin::text, updated_at FROM recordings") == before
