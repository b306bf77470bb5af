"""What is refused stands next to its field, and nothing that was typed gets lost but secrets."""

import html
import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from camfleet_contract.recordings import RecordingStatus
from control_plane.models import Recording, Schedule
from control_plane.services import Services
from tests.console.conftest import Fleet
from tests.console.test_forms import CAMERA, SCHEDULE, errors
from tests.console.visitor import PASSWORD, Visitor, path_of, text_of

TIMES = {"start_time": "22:00:00", "end_time": "06:00:00"}


@pytest.mark.parametrize(
    ("path", "form", "field"),
    [
        ("/site/create", {"name": "Depot", "timezone": "UTC"}, "name"),
        ("/site/create", {"name": "x" * 300, "timezone": "UTC"}, "name"),
        ("/site/create", {"name": "a\0b", "timezone": "UTC"}, "name"),
        ("/site/create", {"name": "  ", "timezone": "UTC"}, "name"),
        ("/site/create", {"name": "Harbour", "timezone": "Mars/Olympus"}, "timezone"),
        ("/site/create", {"name": "Harbour", "timezone": "../etc/passwd"}, "timezone"),
        ("/site/create", {"name": "Harbour", "timezone": ""}, "timezone"),
        ("/operator/create", {"username": "viewer", "role": "viewer", "password": PASSWORD}, "username"),
        ("/operator/create", {"username": "x" * 101, "role": "viewer", "password": PASSWORD}, "username"),
        ("/operator/create", {"username": "a\0b", "role": "viewer", "password": PASSWORD}, "username"),
        ("/operator/create", {"username": "eve", "role": "king", "password": PASSWORD}, "role"),
        ("/operator/create", {"username": "eve", "role": "viewer", "password": ""}, "password"),
        ("/operator/create", {"username": "eve", "role": "viewer", "password": "x" * 1001}, "password"),
        ("/client/create", {"name": "x" * 300}, "name"),
        ("/client/create", {"name": "a\0b"}, "name"),
        ("/client/create", {"name": "Box 2", "site_id": "x"}, "site_id"),
        ("/client/create", {"name": "Box 2", "camera_ids": ["x"]}, "camera_ids"),
        ("/camera/create", CAMERA | {"port": "99999"}, "port"),
        ("/camera/create", CAMERA | {"port": ""}, "port"),
        ("/camera/create", CAMERA | {"rtsp_url": "ftp://192.0.2.1/"}, "rtsp_url"),
        ("/camera/create", CAMERA | {"rtsp_url_sub": "javascript:alert(1)"}, "rtsp_url_sub"),
        ("/camera/create", CAMERA | {"recorded_stream": "sub"}, "recorded_stream"),
        ("/camera/create", CAMERA | {"rtsp_transport": "pigeon"}, "rtsp_transport"),
        ("/camera/create", CAMERA | {"username": "a\0b"}, "username"),
        ("/camera/create", CAMERA | {"password": "a\0b"}, "password"),
        ("/camera/create", CAMERA | {"location": "x" * 5000}, "location"),
        ("/schedule/create", SCHEDULE | TIMES | {"name": "x" * 300}, "name"),
        ("/schedule/create", SCHEDULE | TIMES | {"segment_seconds": ""}, "segment_seconds"),
        ("/schedule/create", SCHEDULE | TIMES | {"end_time": "6 pm"}, "end_time"),
    ],
)
async def test_what_is_wrong_stands_next_to_its_field(
    admin: Visitor, fleet: Fleet, path: str, form: dict[str, str], field: str
) -> None:
    known = {"site_id": str(fleet.site), "camera_id": str(fleet.camera)}
    answer = await admin.post(path, known | form)
    assert answer.status_code == 422
    assert list(errors(answer.text)) == [field], text_of(answer)
    shown = html.unescape(answer.text)
    for name, value in form.items():
        if name != field and value.strip() and "\0" not in value:
            is_secret = name in {"password", "rtsp_url", "rtsp_url_sub"}
            is_kept = f'value="{value}"' in shown
            assert is_kept is not is_secret or name == "is_active", name


async def test_a_time_may_be_typed_short(admin: Visitor, fleet: Fleet, services: Services) -> None:
    form = SCHEDULE | {"name": "Short", "camera_id": str(fleet.camera), "start_time": " 9:30", "end_time": "17:00:05"}
    path_of(await admin.post("/schedule/create", form))
    async with services.sessions() as session:
        saved = await session.scalar(select(Schedule).where(Schedule.name == "Short"))
    assert saved is not None
    assert (f"{saved.start_time}", f"{saved.end_time}") == ("09:30:00", "17:00:05")


async def test_times_are_shown_for_24_hours_in_every_browser(admin: Visitor, fleet: Fleet) -> None:
    page = (await admin.get(f"/schedule/edit/{fleet.schedule}")).text
    found = re.search(r'<input[^>]*name="start_time"[^>]*>', page)
    assert found
    assert 'value="22:00:00"' in found[0]
    assert 'type="time"' not in found[0]


async def test_the_next_camera_of_a_row_belongs_to_the_same_site(admin: Visitor, fleet: Fleet) -> None:
    answer = await admin.post("/camera/create", CAMERA | {"site_id": str(fleet.site), "again": "1"})
    assert path_of(answer) == f"/camera/create?site={fleet.site}"


async def test_recordings_are_found_by_their_site_and_its_days(
    admin: Visitor, fleet: Fleet, services: Services
) -> None:
    # Just after midnight in Berlin, and just before the next one: UTC has other days.
    first, second = datetime(2026, 2, 28, 23, 30, tzinfo=UTC), datetime(2026, 3, 1, 22, 30, tzinfo=UTC)
    ids = {at: uuid.uuid4() for at in (first - timedelta(hours=1), first, second, second + timedelta(hours=1))}
    async with services.sessions.begin() as session:
        session.add_all(
            Recording(
                id=id_,
                client_id=fleet.client,
                camera_id=fleet.camera,
                name="run",
                started_at=at,
                status=RecordingStatus.COMPLETED,
            )
            for at, id_ in ids.items()
        )

    async def found(**query: str) -> set[datetime]:
        page = await admin.get("/recording/list", **query)
        assert page.status_code == 200
        return {at for at, id_ in ids.items() if str(id_) in page.text}

    day = {"from": "2026-03-01", "to": "2026-03-01"}
    assert await found(**day) == {first, second}
    assert await found(**day, site=str(fleet.site), status="completed") == {first, second}
    assert await found(**day, site=str(uuid.uuid4())) == set()
    assert await found(search="depot") == set(ids)
    assert await found(**{"from": "2026-03-02"}) == {second + timedelta(hours=1)}
    for nonsense in ("yesterday", "0001-01-01", "9999-12-31", "2026-02-30"):
        assert (await admin.get("/recording/list", **{"from": nonsense})).status_code == 400
