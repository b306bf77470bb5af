"""Commands by the operators' API: asked, followed to their end, listed, and none of another site's business."""

import asyncio
import base64
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from camfleet_contract.commands import CommandResult, CommandState
from control_plane.commands.results import Teller, take_in_result
from control_plane.models import ClientContact, ClientToken, Command
from control_plane.services import Services
from tests.control_plane.cctv.scripts import Script, looks_like_a_token

JPEG = b"\xff\xd8\xff\xe0 somebody in the yard \xff\xd9"
PICTURE = {
    "jpeg": base64.b64encode(JPEG).decode(),
    "width": 1920,
    "height": 1080,
    "taken_at": "2026-03-01T20:15:33Z",
}
TESTED = {"codec": "h264", "width": 1920, "height": 1080, "transport": "tcp", "seconds_to_keyframe": 1.4}


async def a_recorder(services: Services, admin: Script, site: Any, *cameras: Any) -> Any:
    """A recorder that is online."""
    client = await admin.client(site, *cameras)
    async with services.sessions.begin() as session:
        session.add(ClientContact(client_id=uuid.UUID(client["id"]), last_contact_at=datetime.now(UTC)))
    return client


async def answers(services: Services, command: Any, state: str, **more: Any) -> CommandState:
    """The recorder tells it with its first token, or with the one that the command brought."""
    told = CommandResult.model_validate({"state": state} | more)
    client_id = uuid.UUID(command["client_id"])
    async with services.sessions.begin() as session:
        brought = await session.scalar(select(Command.token_id).where(Command.id == uuid.UUID(command["id"])))
        used = select(ClientToken.token_sha256).where(ClientToken.client_id == client_id)
        used = used.where(ClientToken.id == brought) if brought else used.order_by(ClientToken.id).limit(1)
        sha256 = await session.scalar(used)
        assert sha256 is not None
        teller = Teller(client_id, "192.0.2.9", sha256)
        now = datetime.now(UTC)
        return await take_in_result(session, services.secrets, teller, uuid.UUID(command["id"]), told, now)


async def test_a_camera_is_tested_by_its_recorder(
    admin: Script, operator: Script, viewer: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box = await a_recorder(services, admin, site, camera)
    asked = await operator.ask(f"cameras/{camera['id']}/test/")
    assert (asked["kind"], asked["state"], asked["client_id"]) == ("test_camera", "asked", box["id"])
    assert asked["asked_by"] == "api_key:operator key"
    assert await operator.ask(f"cameras/{camera['id']}/test/") == asked, "asking twice asks once"
    assert (await viewer.get(f"commands/{asked['id']}/"))["state"] == "asked"
    await answers(services, asked, "accepted")
    assert (await viewer.get(f"commands/{asked['id']}/"))["state"] == "accepted"
    await answers(services, asked, "done", result={"camera": TESTED})
    done = await viewer.get(f"commands/{asked['id']}/")
    assert (done["state"], done["picture"], done["recording"]) == ("done", None, None)
    assert done["camera"].items() >= TESTED.items()
    asked_at, accepted_at, ended_at = (
        datetime.fromisoformat(done[f"{one}_at"]) for one in ("asked", "accepted", "ended")
    )
    assert asked_at <= accepted_at <= ended_at


async def test_whoever_waits_gets_the_answer_when_it_comes(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    await a_recorder(services, admin, site, camera)
    asked = await operator.ask(f"cameras/{camera['id']}/stop/")
    waits = asyncio.create_task(operator.get(f"commands/{asked['id']}/", wait=20))
    async with asyncio.timeout(60):
        while not services.config_changes.waiting:  # noqa: ASYNC110 - a count, no event
            await asyncio.sleep(0.005)
        await answers(services, asked, "failed", detail="Nothing is recorded of this camera now.")
        services.config_changes.changed(uuid.UUID(asked["client_id"]))
        told = await waits
    assert (told["state"], told["detail"]) == ("failed", "Nothing is recorded of this camera now.")
    for wait in (-1, 21, "soon"):
        await operator.refused(422, "GET", f"commands/{asked['id']}/", params={"wait": wait})


async def test_a_wait_ends_where_nobody_answers(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    await a_recorder(services, admin, site, camera)
    asked = await operator.ask(f"cameras/{camera['id']}/snapshot/")
    assert (await operator.get(f"commands/{asked['id']}/", wait=0.2))["state"] == "asked"
    async with services.sessions.begin() as session:
        await session.execute(text("UPDATE commands SET expires_at = now()"))
    assert (await operator.get(f"commands/{asked['id']}/", wait=20))["state"] == "expired"


async def test_a_picture_is_seen_by_who_may_and_kept_by_nobody(
    admin: Script, operator: Script, viewer: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    await a_recorder(services, admin, site, camera)
    asked = await operator.ask(f"cameras/{camera['id']}/snapshot/")
    image = f"commands/{asked['id']}/image/"
    await viewer.refused(404, "GET", image)
    await answers(services, asked, "done", result={"snapshot": PICTURE})
    done = await viewer.get(f"commands/{asked['id']}/")
    assert (done["picture"]["width"], done["picture"]["height"]) == (1920, 1080)
    answer = await viewer.call("GET", image)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, JPEG, "image/jpeg")
    assert answer.headers["cache-control"] == "private, no-store"
    assert "sandbox" in answer.headers["content-security-policy"]
    async with services.sessions.begin() as session:
        await session.execute(text("UPDATE commands SET image_expires_at = now()"))
    await viewer.refused(404, "GET", image)
    await viewer.refused(404, "GET", f"commands/{uuid.uuid4()}/image/")


async def test_a_picture_of_a_lost_key_is_no_failure_of_ours(
    admin: Script, operator: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    await a_recorder(services, admin, site, camera)
    asked = await operator.ask(f"cameras/{camera['id']}/snapshot/")
    await answers(services, asked, "done", result={"snapshot": PICTURE})
    async with services.sessions.begin() as session:
        await session.execute(text("UPDATE commands SET image_encrypted = 'nonsense'"))
    assert "decrypted" in await operator.refused(404, "GET", f"commands/{asked['id']}/image/")


async def test_a_manual_recording_is_begun_and_ended(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    await a_recorder(services, admin, site, camera)
    asked = await operator.ask(f"cameras/{camera['id']}/record/", {"minutes": 15})
    assert (asked["kind"], asked["minutes"]) == ("start_recording", 15)
    recorded = {"recording_id": str(uuid.uuid4()), "until": "2026-03-01T20:30:31Z"}
    await answers(services, asked, "done", result={"recording": recorded})
    assert (await operator.get(f"commands/{asked['id']}/"))["recording"] == recorded
    for bad in ({}, {"minutes": 0}, {"minutes": 1441}, {"minutes": "long"}, {"minutes": 5, "quality": "best"}):
        await operator.refused(422, "POST", f"cameras/{camera['id']}/record/", bad)


async def test_a_recorder_that_is_away_is_told_of_at_once(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    camera, lonely = await admin.camera(site), await admin.camera(site, name="Lonely")
    box = await admin.client(site, camera)
    assert "not heard of so far" in await operator.refused(409, "POST", f"cameras/{camera['id']}/test/")
    assert "assigned to no recorder" in await operator.refused(409, "POST", f"cameras/{lonely['id']}/test/")
    assert "not heard of" in await admin.refused(409, "POST", f"clients/{box['id']}/restart/")
    for path in (f"cameras/{uuid.uuid4()}/test/", f"clients/{uuid.uuid4()}/restart/"):
        await admin.refused(404, "POST", path)
    await admin.refused(404, "POST", f"clients/{uuid.uuid4()}/rotate-token/", params={"deliver": True})


async def test_a_token_is_delivered_without_anybody_seeing_it(admin: Script, services: Services) -> None:
    site = await admin.site()
    box = await admin.client(site)
    admin.bodies.clear()
    answer = await admin.call("POST", f"clients/{box['id']}/rotate-token/", params={"deliver": True})
    assert answer.status_code == 202, answer.text
    asked = answer.json()
    assert (asked["kind"], asked["state"], asked["client_id"]) == ("rotate_token", "asked", box["id"])
    await answers(services, asked, "accepted")
    assert await answers(services, asked, "done") is CommandState.DONE
    assert (await admin.get(f"commands/{asked['id']}/"))["state"] == "done"
    await admin.get("commands/")
    assert not any(looks_like_a_token(body) for body in admin.bodies)
    shown = await admin.post(f"clients/{box['id']}/rotate-token/")
    assert looks_like_a_token(shown["client_token"]), "without delivery it is shown, as ever"


async def test_commands_are_listed_newest_first(admin: Script, operator: Script, services: Services) -> None:
    site = await admin.site()
    yard, gate = await admin.camera(site), await admin.camera(site, name="Gate")
    box = await a_recorder(services, admin, site, yard, gate)
    asked = [
        await operator.ask(f"cameras/{camera['id']}/{what}/") for camera in (yard, gate) for what in ("test", "stop")
    ]
    asked.append(await admin.ask(f"clients/{box['id']}/restart/"))
    await answers(services, asked[0], "done", result={"camera": TESTED})
    ids = [one["id"] for one in reversed(asked)]

    async def listed(**filters: object) -> list[str]:
        return [one["id"] for one in await operator.all("commands/", limit=2, **filters)]

    assert await listed() == ids
    assert await listed(camera_id=yard["id"]) == ids[3:]
    assert await listed(kind="stop_recording") == [ids[1], ids[3]]
    assert await listed(client_id=box["id"], is_open=True) == ids[:4]
    assert await listed(is_open=False) == ids[4:]
    assert await listed(client_id=uuid.uuid4()) == []


@pytest.mark.parametrize("result", [{"camera": {"codec": "av1"}}, {"recording": {}}, None, {}])
async def test_what_little_came_of_it_can_be_shown(
    admin: Script, operator: Script, services: Services, result: Any
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    await a_recorder(services, admin, site, camera)
    what = "stop" if result and "recording" in result else "test"
    asked = await operator.ask(f"cameras/{camera['id']}/{what}/")
    await answers(services, asked, "done", result=result)
    assert (await operator.get(f"commands/{asked['id']}/"))["state"] == "done"
