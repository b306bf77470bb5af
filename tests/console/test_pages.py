"""Every page opens, none shows a secret, and none breaks over what it can't read."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import update

from camfleet_contract.gaps import GapCause
from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Camera, ClientContact, Gap, Recording, Segment, SegmentState
from control_plane.services import Services
from tests.console.conftest import CAMERA_PASSWORD, URL_PASSWORD, Fleet
from tests.console.visitor import PASSWORD, Visitor, text_of

IDENTITIES = ("client", "camera", "schedule", "recording", "site", "operator", "event")


async def record(services: Services, fleet: Fleet, segments: int = 3) -> uuid.UUID:
    """A recording with segments, of which the last is not stored yet, and a gap."""
    now = datetime.now(UTC)
    recording = Recording(
        id=uuid.uuid4(),
        client_id=fleet.client,
        camera_id=fleet.camera,
        schedule_id=fleet.schedule,
        name="Nights",
        status=RecordingStatus.RECORDING,
        started_at=now - timedelta(minutes=segments),
    )
    async with services.sessions.begin() as session:
        session.add(recording)
        await session.flush()
        for number in range(segments):
            start = recording.started_at + timedelta(minutes=number)
            session.add(
                Segment(
                    camera_id=fleet.camera,
                    started_at=start,
                    id=uuid.uuid4(),
                    ended_at=start + timedelta(seconds=60),
                    client_id=fleet.client,
                    recording_id=recording.id,
                    state=SegmentState.STORED if number + 1 < segments else SegmentState.OFFERED,
                    size_bytes=1_500_000,
                    crc32c="yZRlqg==",
                    sha256="9f" * 32,
                    codec="h264",
                    packets=900,
                    object_name=f"cameras/{number}.mp4",
                )
            )
        session.add(
            Gap(
                camera_id=fleet.camera,
                started_at=now - timedelta(minutes=2),
                id=uuid.uuid4(),
                ended_at=now - timedelta(minutes=1),
                client_id=fleet.client,
                schedule_id=fleet.schedule,
                recording_id=recording.id,
                cause=GapCause.CAMERA_UNREACHABLE,
                detail="no route to host",
            )
        )
    return recording.id


def pages(fleet: Fleet, recording: uuid.UUID) -> list[str]:
    things = {"site": fleet.site, "client": fleet.client, "camera": fleet.camera, "schedule": fleet.schedule}
    return [
        "/",
        "/account",
        f"/client/{fleet.client}/token",
        *(f"/{identity}/list" for identity in IDENTITIES),
        *(f"/{identity}/create" for identity in (*things, "operator")),
        *(f"/{identity}/{page}/{id_}" for identity, id_ in things.items() for page in ("details", "edit")),
        f"/camera/details/{fleet.camera_by_url}",
        f"/camera/edit/{fleet.camera_by_url}",
        f"/recording/details/{recording}",
    ]


async def test_every_page_opens_and_none_shows_a_secret(admin: Visitor, fleet: Fleet, services: Services) -> None:
    recording = await record(services, fleet)
    for path in pages(fleet, recording):
        page = await admin.get(path)
        assert page.status_code == 200, (path, page.text)
        for secret in (CAMERA_PASSWORD, URL_PASSWORD, fleet.token, PASSWORD, "$argon2"):
            assert secret not in page.text, path
        assert page.headers["cache-control"] == "no-store"
        assert "script-src 'self'" in page.headers["content-security-policy"]


async def test_a_recording_says_what_is_stored_and_what_is_missing(
    admin: Visitor, fleet: Fleet, services: Services
) -> None:
    page = text_of(await admin.get(f"/recording/details/{await record(services, fleet)}"))
    assert "2 of 3" in page
    assert "camera unreachable" in page
    assert "no route to host" in page


async def test_a_secret_that_no_key_reads_breaks_no_page(admin: Visitor, fleet: Fleet, services: Services) -> None:
    stranger = Fernet(Fernet.generate_key()).encrypt(b"whatever")
    async with services.sessions.begin() as session:
        await session.execute(update(Camera).values(password_encrypted=stranger, rtsp_url_encrypted=stranger))
    for path in ("/camera/list", f"/camera/details/{fleet.camera}", f"/camera/edit/{fleet.camera}"):
        page = await admin.get(path)
        assert page.status_code == 200
    assert "can't be read" in text_of(await admin.get(f"/camera/details/{fleet.camera}"))


@pytest.mark.parametrize("identity", IDENTITIES)
async def test_what_is_not_there_is_a_404(admin: Visitor, identity: str) -> None:
    for id_ in ("1", "not-a-uuid", "%00", str(uuid.uuid4()), "a/b"):
        for page in ("details", "edit"):
            answer = await admin.get(f"/{identity}/{page}/{id_}")
            assert answer.status_code in {403, 404}, (page, id_, answer.status_code)


async def test_unknown_addresses_are_a_404_page(admin: Visitor) -> None:
    for path in ("/nothing", "/nothing/list", "/camera/export/csv", "/camera/nothing"):
        page = await admin.get(path)
        assert page.status_code == 404
        assert "<html" in page.text


@pytest.mark.parametrize(
    "query",
    [
        "search=%00",
        "page=-1",
        "page=999999999999999999999",
        "sortBy=password_encrypted",
        "pageSize=0",
        "site=x",
        "status=sideways",
        "older=x",
        "older=0001-01-01T00:00:00~" + str(uuid.UUID(int=0)),
        "search=%25%5F%27",
    ],
)
@pytest.mark.parametrize("identity", ["client", "recording", "event"])
async def test_no_parameter_breaks_a_list(admin: Visitor, fleet: Fleet, identity: str, query: str) -> None:
    answer = await admin.client.get(f"/admin/{identity}/list?{query}")
    assert answer.status_code in {200, 302, 400}, answer.text


async def test_a_client_is_online_while_it_calls(admin: Visitor, fleet: Fleet, services: Services) -> None:
    now = datetime.now(UTC)
    async with services.sessions.begin() as session:
        session.add(ClientContact(client_id=fleet.client, last_contact_at=now - timedelta(seconds=20)))
    page = text_of(await admin.get("/client/list"))
    assert "online" in page
    assert "s ago" in page
    async with services.sessions.begin() as session:
        await session.execute(update(ClientContact).values(last_contact_at=now - timedelta(minutes=10)))
    assert "offline" in text_of(await admin.get("/client/list", status="offline"))
    assert "Box 1" not in text_of(await admin.get("/client/list", status="online"))


async def test_a_camera_shows_what_its_recorder_says(admin: Visitor, fleet: Fleet, services: Services) -> None:
    now = datetime.now(UTC)
    states = [
        {"camera_id": str(uuid.uuid4()), "condition": "recording"},
        {"camera_id": str(fleet.camera), "condition": "unreachable", "reason": "no route to host"},
    ]
    async with services.sessions.begin() as session:
        session.add(ClientContact(client_id=fleet.client, last_contact_at=now, heartbeat={"cameras": states}))
    page = await admin.get("/camera/list")
    assert "unreachable" in text_of(page)
    assert "no route to host" in page.text


async def test_a_list_of_a_big_table_pages_by_key(admin: Visitor, fleet: Fleet, services: Services) -> None:
    start = datetime.now(UTC) - timedelta(days=1)
    ids = [uuid.uuid4() for _ in range(60)]
    async with services.sessions.begin() as session:
        session.add_all(
            Recording(
                id=id_,
                client_id=fleet.client,
                camera_id=fleet.camera,
                name="run",
                # All in pairs that started together: the id decides.
                started_at=start + timedelta(seconds=number // 2),
                status=RecordingStatus.COMPLETED,
            )
            for number, id_ in enumerate(ids)
        )
    first = await admin.get("/recording/list")
    older = first.text.split("?older=")[1].split('"')[0].replace("&amp;", "&")
    second = await admin.client.get(f"/admin/recording/list?older={older}")
    rows = [{str(id_) for id_ in ids if f"details/{id_}" in page.text} for page in (first, second)]
    assert [len(row) for row in rows] == [50, 10]
    assert not rows[0] & rows[1]
