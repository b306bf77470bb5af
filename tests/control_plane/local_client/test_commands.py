"""Commands: asked once, told at once, carried out by whom they are for, and over when they are over."""

import asyncio
import base64
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from camfleet_contract.commands import CommandKind, CommandState
from control_plane.commands.asking import MOST_OPEN, ask_of_camera, ask_to_restart
from control_plane.commands.following import LONGEST_WAIT_SECONDS, follow
from control_plane.commands.forgetting import KEPT, settle
from control_plane.commands.results import IMAGES_KEPT
from control_plane.commands.states import ANSWERED_WITHIN, LIFETIME, state_of
from control_plane.errors import Conflict, NotFound
from control_plane.jobs.commands import settle_commands
from control_plane.jobs.queue import create_queue
from control_plane.models import Command, Role
from control_plane.security.principals import Principal
from control_plane.service import running_service
from control_plane.settings import Settings
from tests.control_plane.local_client.sites import API, OPERATOR, Place, Recorder
from tests.control_plane.tasks import in_a_task

BY = Principal(OPERATOR, Role.ADMIN)
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0 somebody in the yard \xff\xd9").decode()
PICTURE = {"jpeg": JPEG, "width": 1920, "height": 1080, "taken_at": "2026-03-01T20:15:33Z"}
TESTED = {"codec": "h264", "width": 1920, "height": 1080, "transport": "tcp", "seconds_to_keyframe": 1.4}


async def ask(
    place: Place, camera_id: uuid.UUID, kind: CommandKind = CommandKind.TEST_CAMERA, minutes: int | None = None
) -> Command:
    async with place.service.services.sessions.begin() as session:
        now = datetime.now(UTC)
        return await ask_of_camera(session, camera_id, kind, now=now, by=BY, minutes=minutes)


async def tell(recorder: Recorder, command: Command, state: str, status: int = 200, **more: Any) -> Any:
    response = await recorder.post(f"commands/{command.id}/result", json={"state": state} | more)
    assert response.status_code == status, response.text
    return response.json().get("state")


async def told(recorder: Recorder) -> list[Any]:
    response = await recorder.get("config")
    assert response.status_code == 200, response.text
    commands: list[Any] = response.json()["commands"]
    return commands


async def until_nothing_is_told(recorder: Recorder) -> None:
    """The end of a command is announced: what was remembered may be told for a moment."""
    async with asyncio.timeout(60):
        while await told(recorder):  # noqa: ASYNC110 - another process might tell it, no event
            await asyncio.sleep(0.02)


async def kept(place: Place, command: Command) -> Any:
    return await place.row("SELECT * FROM commands WHERE id = :id", id=command.id)


async def history(place: Place) -> list[Any]:
    return await place.rows("SELECT * FROM events WHERE kind LIKE '%.command_%' ORDER BY occurred_at, id")


async def forget(place: Place, now: datetime) -> int:
    async with place.service.services.sessions.begin() as session:
        return await settle(session, now)


async def make_overdue(place: Place) -> None:
    """The time to accept what is open is over."""
    await place.rows("UPDATE commands SET expires_at = now() - interval '1 second'")


@pytest.fixture(autouse=True)
async def online(recorder: Recorder) -> None:
    """The recorder is known to be there."""
    assert (await recorder.post("heartbeat", json={})).status_code == 200


async def test_a_command_reaches_the_recorder_that_waits_and_nobody_else(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    async with asyncio.timeout(60):
        await place.service.services.config_changes.until_listening()
        etag = (await recorder.get("config")).headers["ETag"]
        waits = asyncio.create_task(recorder.get("config", params={"wait": 60}, headers={"If-None-Match": etag}))
        command = await ask(place, camera_id, CommandKind.START_RECORDING, 15)
        response = await waits
        # It may have asked before it began to wait: then it has the command all the same.
    assert response.json()["commands"] == [
        {
            "id": str(command.id),
            "kind": "start_recording",
            "camera_id": str(camera_id),
            "minutes": 15,
            "token": None,
            "expires_at": command.expires_at.isoformat().replace("+00:00", "Z"),
        }
    ]
    assert await told(stranger) == []


async def test_asked_on_one_replica_it_is_told_and_followed_on_another(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, settings: Settings
) -> None:
    async with in_a_task(running_service(settings)) as other, asyncio.timeout(120):
        for service in (place.service, other):
            await service.services.config_changes.until_listening()
        etag = (await recorder.get("config")).headers["ETag"]
        waits = asyncio.create_task(recorder.get("config", params={"wait": 60}, headers={"If-None-Match": etag}))
        command = await ask(Place(other, place.site_id), camera_id)
        assert [one["id"] for one in (await waits).json()["commands"]] == [str(command.id)]
        for state in (CommandState.ACCEPTED, CommandState.DONE):
            before = state_of(await follow(other.services, command.id, 0, seen_by=BY), datetime.now(UTC))
            follows = asyncio.create_task(
                follow(other.services, command.id, LONGEST_WAIT_SECONDS, seen_by=BY, while_it_is=before)
            )
            while not other.services.config_changes.waiting:  # noqa: ASYNC110 - a count, no event
                await asyncio.sleep(0.005)
            await tell(recorder, command, state)
            assert state_of(await follows, datetime.now(UTC)) is state


async def test_a_command_goes_from_asked_to_its_end_and_never_back(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    command = await ask(place, camera_id)
    for _ in range(2):
        assert await tell(recorder, command, "accepted") == "accepted"
    assert [one["id"] for one in await told(recorder)] == [str(command.id)], "until its end is known it stays"
    first = await kept(place, command)
    for _ in range(2):
        assert await tell(recorder, command, "done", detail="fine", result={"camera": TESTED}) == "done"
    for late in ("failed", "accepted"):
        assert await tell(recorder, command, late, detail="no") == "done"
    row = await kept(place, command)
    assert (row["ended_as"], row["detail"], row["accepted_at"]) == ("done", "fine", first["accepted_at"])
    assert row["result"] == {"camera": TESTED | {"is_recording": False}}
    await until_nothing_is_told(recorder)
    asked, ended = await history(place)
    assert (asked["kind"], asked["actor"], asked["subject_id"]) == (
        "camera.command_asked",
        "operator:test",
        camera_id,
    )
    assert (ended["kind"], ended["actor"]) == ("camera.command_ended", f"client:{recorder.id}")
    assert ended["detail"]["command_id"] == asked["detail"]["command_id"] == str(command.id)
    assert (ended["detail"]["state"], ended["detail"]["detail"]) == ("done", "fine")


async def test_another_recorders_command_does_not_exist(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    command = await ask(place, camera_id)
    assert await tell(stranger, command, "done", 404) is None
    assert (await stranger.post(f"commands/{uuid.uuid4()}/result", json={"state": "done"})).status_code == 404
    assert (await kept(place, command))["ended_at"] is None
    assert await tell(recorder, command, "accepted") == "accepted"


async def test_whoever_comes_too_late_is_told_so(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    command = await ask(place, camera_id)
    await make_overdue(place)
    assert await told(recorder) == []
    assert await tell(recorder, command, "accepted") == "expired"
    assert await forget(place, datetime.now(UTC)) == 1
    assert await forget(place, datetime.now(UTC)) == 0
    assert await tell(recorder, command, "accepted") == "expired"
    _, ended = await history(place)
    assert (ended["actor"], ended["detail"]["state"]) == ("control-plane", "expired")
    assert "offline" in (await kept(place, command))["detail"]


async def test_the_background_job_ends_what_nobody_answered(place: Place, camera_id: uuid.UUID) -> None:
    await ask(place, camera_id)
    await make_overdue(place)
    services = place.service.services
    for _ in range(2):
        await settle_commands(create_queue(services.engine.url), services)
    assert [event["kind"] for event in await history(place)] == ["camera.command_asked", "camera.command_ended"]


async def test_what_was_done_was_done_however_late_it_is_told(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    command = await ask(place, camera_id)
    await tell(recorder, command, "accepted")
    await make_overdue(place)
    assert await forget(place, datetime.now(UTC)) == 0, "a recorder that took it gets its time"
    assert len(await told(recorder)) == 1
    assert await forget(place, datetime.now(UTC) + ANSWERED_WITHIN) == 1
    assert (await kept(place, command))["ended_as"] == "expired"
    assert await tell(recorder, command, "done", result={"camera": TESTED}) == "done"
    assert (await kept(place, command))["ended_as"] == "done"
    assert [event["detail"].get("was") for event in await history(place)] == [None, None, "expired"]


async def test_two_replicas_end_a_command_once(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    await ask(place, camera_id)
    await make_overdue(place)
    now = datetime.now(UTC)
    assert sorted(await asyncio.gather(*(forget(place, now) for _ in range(4)))) == [0, 0, 0, 1]
    assert len(await history(place)) == 2


async def test_asking_twice_asks_once_and_what_is_over_can_be_asked_again(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    first, second = await asyncio.gather(ask(place, camera_id), ask(place, camera_id))
    assert first.id == second.id
    assert (await ask(place, camera_id, CommandKind.SNAPSHOT)).id != first.id
    await tell(recorder, first, "failed", detail="the camera refuses the password")
    assert (await ask(place, camera_id)).id != first.id


async def test_a_picture_is_kept_for_an_hour_and_only_encrypted(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    command = await ask(place, camera_id, CommandKind.SNAPSHOT)
    assert await tell(recorder, command, "done", result={"snapshot": PICTURE}) == "done"
    row = await kept(place, command)
    assert row["result"] == {"snapshot": {name: value for name, value in PICTURE.items() if name != "jpeg"}}
    assert place.service.services.secrets.decrypt(row["image_encrypted"]) == JPEG
    for table in ("commands", "events"):
        assert JPEG not in str(await place.rows(f"SELECT * FROM {table}"))  # noqa: S608 - our names
    now = datetime.now(UTC)
    await forget(place, now + IMAGES_KEPT - timedelta(minutes=1))
    assert (await kept(place, command))["image_encrypted"] is not None
    await forget(place, now + IMAGES_KEPT)
    row = await kept(place, command)
    assert (row["image_encrypted"], row["image_expires_at"], row["ended_as"]) == (None, None, "done")


@pytest.mark.parametrize(
    "jpeg",
    [
        "",
        "no base64!",
        base64.b64encode(b"<svg onload=alert(1)>").decode(),
        base64.b64encode(b"\xff\xd8\xff" + bytes(1024 * 1024) + b"\xff\xd9").decode(),
    ],
)
async def test_what_is_no_picture_is_refused(place: Place, camera_id: uuid.UUID, recorder: Recorder, jpeg: str) -> None:
    command = await ask(place, camera_id, CommandKind.SNAPSHOT)
    await tell(recorder, command, "done", 422, result={"snapshot": PICTURE | {"jpeg": jpeg}})
    await tell(recorder, command, "done", 422)
    assert (await kept(place, command))["ended_at"] is None


async def test_only_what_was_asked_for_is_kept(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    command = await ask(place, camera_id, CommandKind.STOP_RECORDING)
    recorded = {"recording_id": str(uuid.uuid4()), "until": "2026-03-01T20:30:31Z"}
    everything = {"recording": recorded, "camera": TESTED, "snapshot": PICTURE}
    assert await tell(recorder, command, "done", result=everything) == "done"
    row = await kept(place, command)
    assert (row["result"], row["image_encrypted"]) == ({"recording": recorded}, None)


async def test_a_recorder_that_is_away_is_told_of_at_once(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    unassigned = await place.camera("Nowhere")
    with pytest.raises(Conflict, match="assigned to no recorder"):
        await ask(place, unassigned)
    with pytest.raises(NotFound):
        await ask(place, uuid.uuid4())
    await place.rows("UPDATE client_contacts SET last_contact_at = now() - interval '1 hour'")
    with pytest.raises(Conflict, match="not heard of since"):
        await ask(place, camera_id)
    await recorder.get("schedules")
    await place.rows("UPDATE cameras SET is_active = false WHERE id = :id", id=camera_id)
    with pytest.raises(Conflict, match="switched off"):
        await ask(place, camera_id)
    assert await place.rows("SELECT * FROM commands") == []


async def test_of_several_recorders_the_one_that_records_the_camera_is_asked(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    await place.assign(stranger, camera_id)
    await stranger.get("schedules")
    await place.rows(
        "UPDATE client_contacts SET last_contact_at = now() - interval '10 seconds' WHERE client_id = :id",
        id=recorder.id,
    )
    assert (await ask(place, camera_id)).client_id == stranger.id
    await recorder.report(await recorder.register(camera_id), "recording")
    await place.rows("UPDATE client_contacts SET last_contact_at = now() - interval '10 seconds'")
    await stranger.get("schedules")
    assert (await ask(place, camera_id, CommandKind.SNAPSHOT)).client_id == recorder.id


async def test_a_recorder_is_not_asked_for_more_than_it_can_carry(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    await ask(place, camera_id)
    await place.rows(
        "INSERT INTO commands (id, client_id, kind, asked_by, expires_at)"
        " SELECT gen_random_uuid(), client_id, 'restart', asked_by, expires_at"
        " FROM commands, generate_series(1, :more)",
        more=MOST_OPEN - 1,
    )
    with pytest.raises(Conflict, match=f"{MOST_OPEN} commands"):
        await ask(place, camera_id, CommandKind.SNAPSHOT)


async def test_a_restart_is_told_by_the_process_that_came_after(place: Place, recorder: Recorder) -> None:
    async with place.service.services.sessions.begin() as session:
        command = await ask_to_restart(session, recorder.id, now=datetime.now(UTC), by=BY)
    assert await tell(recorder, command, "accepted") == "accepted"
    assert await tell(recorder, command, "done") == "done"
    assert [event["subject_id"] for event in await history(place)] == [recorder.id] * 2


async def test_what_can_not_be_read_takes_nothing_else_away(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    command = await ask(place, camera_id)
    await place.rows("UPDATE commands SET kind = 'rotate_token', secret_encrypted = 'nonsense'")
    other = await ask(place, camera_id, CommandKind.SNAPSHOT)
    assert [one["id"] for one in await told(recorder)] == [str(other.id)]
    assert command.expires_at - command.asked_at == LIFETIME


async def test_old_commands_are_forgotten_and_their_history_is_not(
    place: Place, camera_id: uuid.UUID, recorder: Recorder
) -> None:
    command = await ask(place, camera_id)
    await tell(recorder, command, "done")
    await forget(place, datetime.now(UTC) + KEPT - timedelta(minutes=1))
    assert len(await place.rows("SELECT id FROM commands")) == 1
    await forget(place, datetime.now(UTC) + KEPT)
    assert await place.rows("SELECT id FROM commands") == []
    assert len(await history(place)) == 2


async def test_a_command_needs_the_recorders_token(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    command = await ask(place, camera_id)
    async with httpx.AsyncClient(base_url=place.service.url) as http:
        response = await http.post(f"{API}/commands/{command.id}/result", json={"state": "done"})
    assert response.status_code == 401
