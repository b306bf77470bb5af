"""The whole program as a process: it starts, says what is wrong, delivers, and stops in time."""

import asyncio
import json
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import httpx

from camera_simulator.server import CameraSimulator
from camera_simulator.specs import AudioCodec, CameraSpec
from camfleet_contract.heartbeats import CameraCondition
from recorder.spool import Spool
from tests.ports import free_port
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.gcs import Gcs
from tests.recorder.process import (
    PASSWORD,
    answering,
    command,
    configuration,
    environment,
    recorder,
    status_once,
)
from tests.recorder.spooled import begun, sealed
from tests.recorder.waiting import LIMIT_SECONDS, until


async def test_from_the_camera_to_the_bucket_and_deleted_only_when_stored(
    tmp_path: Path, fake: FakeControlPlane, backend: str, gcs: Gcs, camera_url: str
) -> None:
    fake.gcs = gcs
    fake.document = configuration(camera_url)
    variables = environment(tmp_path, backend, TOKEN, free_port())
    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: len(fake.stored) >= 2)
        began = time.monotonic()
        assert await running.stop() == 0
        assert time.monotonic() - began < 10
    spool = Spool.open(tmp_path / "base")
    left = {segment.id for segment in spool.segments.to_upload(sealed_until())}
    spool.close()
    offered = {offer.id: offer for offer in fake.offers}
    for segment_id in fake.stored:
        assert segment_id not in left
        assert gcs.objects[offered[segment_id].object_name or ""]["crc32c"] == offered[segment_id].crc32c
    assert [report.status.value for report in fake.statuses][-1] == "stopped"
    assert fake.heartbeats[0].version
    logged = (tmp_path / "base/logs/client.log").read_text() + (tmp_path / "stderr.log").read_text()
    assert "segment_uploaded" in logged
    for secret in (PASSWORD, TOKEN, "secret-session"):
        assert secret not in logged
    assert {path.name for path in (tmp_path / "base").iterdir()} >= {"recordings", "logs", "cache", "pending_uploads"}
    made = [tmp_path / "base", *(tmp_path / "base").rglob("*")]
    assert not [path for path in made if path.stat().st_mode & 0o077], "footage is private"


async def test_it_records_by_its_cached_configuration_and_delivers_everything_later_once(
    tmp_path: Path, fake: FakeControlPlane, backend: str, camera_url: str, http_client: httpx.AsyncClient
) -> None:
    fake.document = configuration(camera_url)
    (tmp_path / "store").mkdir()
    variables = environment(tmp_path, backend, TOKEN, free_port(), STORAGE_URL=f"file://{tmp_path / 'store'}")
    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: bool(fake.registered))
        assert await running.stop() == 0
    fake.down = 503
    told_before = set(fake.registered)
    async with recorder(tmp_path, variables) as running:
        await answering(running, http_client)
        status = await status_once(running, http_client, lambda shown: shown["segments"]["uploaded"] >= 2)
        assert status["sync_status"]["source"] == "cache"
        assert status["control_plane"]["condition"] == "unreachable"
        assert status["status"] == "degraded"
        assert set(fake.registered) == told_before
        fake.down = 0
        await fake.until(lambda: len(fake.stored) >= 3)
        assert await running.stop() == 0
    objects = [path.name for path in (tmp_path / "store").rglob("*.mp4")]
    assert len(objects) == len(set(objects))
    assert {str(segment_id) for segment_id in fake.stored} <= {name.split("_")[1][:-4] for name in objects}
    assert len(set(fake.registered) - told_before) == 1


async def test_a_refused_token_is_shown_with_what_to_do(
    tmp_path: Path, fake: FakeControlPlane, backend: str, http_client: httpx.AsyncClient
) -> None:
    fake.token = "renewed"
    async with recorder(tmp_path, environment(tmp_path, backend, TOKEN, free_port())) as running:
        await answering(running, http_client)
        status = await status_once(running, http_client, lambda shown: shown["control_plane"]["condition"] != "untried")
        assert status["control_plane"]["condition"] == "token_refused"
        assert any("renew it in the console" in problem for problem in status["problems"])
        assert await running.stop() == 0


async def test_a_store_that_cannot_be_used_is_told_by_the_heartbeat_before_anything_is_uploaded(
    tmp_path: Path, fake: FakeControlPlane, backend: str, http_client: httpx.AsyncClient
) -> None:
    fake.document = configuration("rtsp://127.0.0.1:9/yard", is_due=False)
    store = tmp_path / "store"
    variables = environment(
        tmp_path, backend, TOKEN, free_port(), STORAGE_URL=f"file://{store}", HEARTBEAT_INTERVAL_SECONDS="1"
    )
    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: any(told.problems for told in fake.heartbeats))
        [problem] = next(told.problems for told in fake.heartbeats if told.problems)
        assert problem.code == "store_unusable"
        assert f"{store} does not exist: mount the disk" in problem.text
        status = await status_once(running, http_client, lambda _: True)
        assert status["problems"] == [problem.text]
        store.mkdir()
        await fake.until(lambda: fake.heartbeats[-1].problems == [])
        assert await running.stop() == 0


async def test_cameras_beyond_what_may_be_read_are_a_problem_that_everybody_sees(
    tmp_path: Path, fake: FakeControlPlane, backend: str, http_client: httpx.AsyncClient
) -> None:
    one, other = (json.loads(configuration("rtsp://127.0.0.1:9/yard")) for _ in range(2))
    both = {name: one[name] + other[name] for name in ("cameras", "schedules")}
    fake.document = json.dumps(one | both).encode()
    variables = environment(
        tmp_path, backend, TOKEN, free_port(), MAX_CONCURRENT_RECORDINGS="1", HEARTBEAT_INTERVAL_SECONDS="1"
    )

    def told() -> list[str]:
        problems = [problem for heartbeat in fake.heartbeats for problem in heartbeat.problems or []]
        return [problem.text for problem in problems if problem.code == "recorder_overloaded"]

    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: bool(told()))
        assert told()[0].startswith("1 camera that is due is not recorded: the limit is 1 camera")
        status = await status_once(running, http_client, lambda _: True)
        assert told()[0] in status["problems"]
        assert status["recording_limit"] == "1 camera (as MAX_CONCURRENT_RECORDINGS says)"
        assert await running.stop() == 0


async def test_a_manual_recording_by_the_endpoint_holds_what_was_before_and_goes_on_after_it_was_stopped(
    tmp_path: Path, fake: FakeControlPlane, backend: str, gcs: Gcs, http_client: httpx.AsyncClient
) -> None:
    fake.gcs = gcs
    spec = CameraSpec(name="yard", audio=AudioCodec.AAC, user="viewer", password=PASSWORD, loop_seconds=4)
    async with CameraSimulator([spec], port=0) as simulator:
        fake.document = configuration(simulator.url("yard"), is_due=False)
        camera_id = json.loads(fake.document)["cameras"][0]["id"]
        variables = environment(
            tmp_path,
            backend,
            TOKEN,
            free_port(),
            PRE_ROLL_SECONDS="2",
            POST_ROLL_SECONDS="1.5",
            CLEANUP_AFTER_UPLOAD="no",
        )
        async with recorder(tmp_path, variables) as running:
            await simulator.camera("yard").wait_for_sent(100)
            asked = datetime.now(UTC)
            parameters = {"camera_id": camera_id, "duration_minutes": 1}
            answer = await http_client.post(f"{running.status_url}/manual-record", params=parameters)
            assert answer.status_code == 200, answer.text
            started_at = datetime.fromisoformat(answer.json()["started_at"])
            assert asked - timedelta(seconds=4) <= started_at <= datetime.now(UTC) - timedelta(seconds=1.9)
            stopped = await http_client.post(f"{running.status_url}/stop-recording/{camera_id}")
            ends_at = datetime.fromisoformat(stopped.json()["ends_at"])
            assert ends_at >= asked + timedelta(seconds=1.5)
            await fake.until(lambda: any(report.status.is_final for report in fake.statuses))
            assert await running.stop() == 0
    report = next(report for report in fake.statuses if report.status.is_final)
    assert report.status.value == "stopped"
    assert str(report.recording_id) == answer.json()["recording_id"]
    registered = fake.registered[report.recording_id]
    assert abs(datetime.fromisoformat(registered["started_at"]) - started_at) < timedelta(milliseconds=1)
    (file,) = (tmp_path / "base" / "recordings").rglob("*.mp4")
    with av.open(str(file)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
        seconds = float((container.duration or 0) / av.time_base)
    assert seconds >= (ends_at - started_at).total_seconds() - 0.5


async def test_what_an_earlier_run_left_is_delivered_after_the_start(
    tmp_path: Path, fake: FakeControlPlane, backend: str
) -> None:
    store = tmp_path / "store"
    store.mkdir()
    spool = Spool.open(tmp_path / "base")
    recording = begun(spool)
    segments = [sealed(spool, recording) for _ in range(3)]
    files = [spool.segments.file(segment) for segment in segments]
    spool.close()
    variables = environment(tmp_path, backend, TOKEN, free_port(), STORAGE_URL=f"file://{store}")
    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: fake.stored == {segment.id for segment in segments})
        await until(lambda: not any(file.exists() for file in files))
        assert await running.stop() == 0
    assert len(list(store.rglob("*.mp4"))) == 3


async def test_an_upload_that_was_killed_midway_goes_on_after_the_next_start(
    tmp_path: Path, fake: FakeControlPlane, backend: str, gcs: Gcs
) -> None:
    fake.gcs, gcs.hold_after = gcs, 2
    spool = Spool.open(tmp_path / "base")
    segment = sealed(spool, begun(spool), size=4 * 1024 * 1024)
    spool.close()
    variables = environment(tmp_path, backend, TOKEN, free_port(), UPLOAD_CHUNK_MIB="1")
    async with recorder(tmp_path, variables) as running:
        await asyncio.wait_for(gcs.held.wait(), LIMIT_SECONDS)
        running.process.kill()
        await running.process.wait()
    gcs.hold_after = None
    gcs.hold.set()
    puts = len(gcs.puts)
    async with recorder(tmp_path, variables) as running:
        await fake.until(lambda: fake.stored == {segment.id})
        assert await running.stop() == 0
    assert gcs.puts[puts] == "bytes */4194304"
    assert (gcs.opened, gcs.bytes_taken) == (1, 4 * 1024 * 1024)


async def test_a_camera_that_begins_to_record_is_told_before_the_next_heartbeat_is_due(
    tmp_path: Path, fake: FakeControlPlane, backend: str, camera_url: str
) -> None:
    fake.document = configuration(camera_url)
    variables = environment(tmp_path, backend, TOKEN, free_port(), HEARTBEAT_INTERVAL_SECONDS="3600")

    def conditions() -> list[CameraCondition]:
        return [camera.condition for camera in fake.heartbeats[-1].cameras or []] if fake.heartbeats else []

    async with recorder(tmp_path, variables) as running:
        await fake.until(
            lambda: conditions() == [CameraCondition.RECORDING]
        )  # an hour early, even if a loaded machine starts late
        assert len(fake.heartbeats) >= 2, "the first one goes out before any camera answers"
        assert await running.stop() == 0


async def test_a_second_recorder_on_one_folder_refuses(
    tmp_path: Path, backend: str, http_client: httpx.AsyncClient
) -> None:
    variables = environment(tmp_path, backend, TOKEN, free_port())
    async with recorder(tmp_path, variables) as running:
        await answering(running, http_client)
        code, _, errors = await command(tmp_path, variables | {"STATUS_PORT": str(free_port())}, "run")
    assert code == 3
    assert f"in use by another recorder (pid {running.process.pid})" in errors
    assert "Traceback" not in errors


async def test_a_taken_port_is_told(tmp_path: Path, backend: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, _, errors = await command(tmp_path, environment(tmp_path, backend, TOKEN, other.getsockname()[1]), "run")
    assert code == 4
    assert "Set STATUS_PORT to a free port" in errors
    assert "Traceback" not in errors


async def test_bad_settings_are_told_without_a_traceback(tmp_path: Path) -> None:
    code, _, errors = await command(tmp_path, environment(tmp_path, "not-an-address", "", 0), "run")
    assert code == 2
    assert "BACKEND_API_URL must be" in errors
    assert "CLIENT_TOKEN" in errors
    assert "Traceback" not in errors


def sealed_until() -> datetime:
    return datetime.max.replace(tzinfo=UTC)
