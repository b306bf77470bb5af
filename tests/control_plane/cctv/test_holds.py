"""A recording that is held: asked for by a script, told to its recorder, and written down."""

import uuid

from sqlalchemy import select, text

from control_plane.local_client.configuration import read_config
from control_plane.models import Event
from control_plane.recordings.holds import MOST_HELD
from control_plane.services import Services
from tests.control_plane.cctv.footage import Footage
from tests.control_plane.cctv.scripts import Script


async def told(services: Services, client_id: str) -> list[str]:
    """What the recorder reads of holds."""
    async with services.sessions.begin() as session:
        config = await read_config(session, services.secrets, services.store, uuid.UUID(client_id))
    assert config.held_recordings is not None
    return [str(recording_id) for recording_id in config.held_recordings]


async def events(services: Services, recording_id: uuid.UUID) -> list[tuple[str, str]]:
    async with services.sessions() as session:
        query = select(Event).where(Event.subject_id == recording_id).order_by(Event.occurred_at)
        return [(event.kind, event.actor) for event in await session.scalars(query)]


async def test_a_held_recording_is_told_to_its_recorder_until_it_is_released(
    admin: Script, operator: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box, other = await admin.client(site, camera), await admin.client(site, name="Other")
    recording = await Footage(services).recording(box, camera)
    await Footage(services).recording(box, camera)

    held = await operator.post(f"recordings/{recording.id}/hold/")
    assert held["held_at"] is not None
    assert await operator.post(f"recordings/{recording.id}/hold/") == held, "holding twice changes nothing"
    assert await told(services, box["id"]) == [str(recording.id)]
    assert await told(services, other["id"]) == []
    assert [one["id"] for one in await operator.all("recordings/", is_held=True)] == [str(recording.id)]
    assert len(await operator.all("recordings/", is_held=False)) == 1

    for _ in range(2):
        assert (await operator.post(f"recordings/{recording.id}/release/"))["held_at"] is None
    assert await told(services, box["id"]) == []
    actor = "api_key:operator key"
    assert await events(services, recording.id) == [("recording.held", actor), ("recording.released", actor)]


async def test_what_is_not_there_cannot_be_held(operator: Script) -> None:
    for action in ("hold", "release"):
        assert "no recording" in await operator.refused(404, "POST", f"recordings/{uuid.uuid4()}/{action}/")
        await operator.refused(422, "POST", f"recordings/nonsense/{action}/")


async def test_more_holds_than_a_configuration_carries_are_refused_and_say_so(
    admin: Script, operator: Script, services: Services
) -> None:
    site = await admin.site()
    camera = await admin.camera(site)
    box = await admin.client(site, camera)
    one_more = await Footage(services).recording(box, camera)
    async with services.sessions.begin() as session:
        await session.execute(
            text(
                "INSERT INTO recordings (id, client_id, camera_id, name, status, started_at, held_at)"
                " SELECT gen_random_uuid(), :client, :camera, 'Night', 'completed', now(), now()"
                " FROM generate_series(1, :count)"
            ),
            {"client": box["id"], "camera": camera["id"], "count": MOST_HELD},
        )
    refusal = await operator.refused(409, "POST", f"recordings/{one_more.id}/hold/")
    assert str(MOST_HELD) in refusal
