"""Config push: an edit reaches a waiting recorder at once, and whoever waits costs nothing."""

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import event, text

from control_plane.service import running_service
from control_plane.settings import Settings
from tests.control_plane.local_client.sites import API, Place, Recorder
from tests.control_plane.local_client.statements import counted_statements
from tests.control_plane.tasks import in_a_task
from tests.postgres import connect

TICK_SECONDS = 0.01
END_LISTENING = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = 'camfleet-config-push' AND datname = current_database()
"""


@pytest_asyncio.fixture(autouse=True)
async def _listening(place: Place) -> None:
    async with asyncio.timeout(25):
        await place.service.services.config_changes.until_listening()


async def until_waiting(place: Place, number: int) -> None:
    """As many requests have read the configuration and wait for another."""
    services = place.service.services
    pool: Any = services.engine.pool
    async with asyncio.timeout(60):
        while services.config_changes.waiting != number or pool.checkedout():  # noqa: ASYNC110 - counts, no events
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def waiting(place: Place, recorder: Recorder, wait: float = 30) -> AsyncIterator[asyncio.Task[httpx.Response]]:
    """A request that waits for news."""
    etag = (await recorder.get("config")).headers["ETag"]
    before = place.service.services.config_changes.waiting
    headers = {"If-None-Match": etag}
    request = asyncio.create_task(recorder.get("config", params={"wait": wait}, headers=headers, timeout=wait + 10))
    await until_waiting(place, before + 1)
    yield request
    request.cancel()


@contextlib.asynccontextmanager
async def not_counting_a_busy_machine() -> AsyncIterator[Callable[[], float]]:
    """The seconds that the block took, afterwards, without those in which this process wasn't let on.

    The service runs on the same loop: its clock is one that counts only while it is served.
    """
    ticks, began = 0, time.monotonic()

    async def count() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(TICK_SECONDS)
            ticks += 1

    counting = asyncio.create_task(count())
    try:
        yield lambda: min(ticks * TICK_SECONDS, ended - began)
    finally:
        ended = time.monotonic()
        counting.cancel()


async def test_the_document_is_one_consistent_whole(place: Place, camera_id: uuid.UUID, recorder: Recorder) -> None:
    await place.schedule(camera_id)
    response = await recorder.get("config")
    document = response.json()
    assert response.headers["ETag"] == f'"{document["revision"]}"'
    assert (document["client_id"], document["client_name"]) == (str(recorder.id), "Warehouse")
    assert document["timezone"] == "Europe/Berlin"
    assert [camera["id"] for camera in document["cameras"]] == [str(camera_id)]
    assert document["schedules"][0]["camera"].items() <= document["cameras"][0].items()
    assert document["held_recordings"] == []
    assert document["storage"] == {"mode": "direct", "url": place.service.services.store.url}


EDITS = {
    "a camera's name": "UPDATE cameras SET name = 'Renamed'",
    "a camera's transport": "UPDATE cameras SET rtsp_transport = 'udp'",
    "a camera's password": "UPDATE cameras SET password_encrypted = NULL",
    "a camera switched off": "UPDATE cameras SET is_active = false",
    "a camera taken away": "DELETE FROM client_cameras",
    "a schedule": "UPDATE schedules SET end_time = '23:00'",
    "a schedule deleted": "DELETE FROM schedules",
    "the site's zone": "UPDATE sites SET timezone = 'Asia/Kolkata'",
    "the client's name": "UPDATE clients SET name = 'Renamed'",
}


@pytest.mark.parametrize("edit", EDITS)
async def test_an_edit_reaches_a_waiting_recorder_in_under_a_second(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, edit: str
) -> None:
    await place.schedule(camera_id)
    async with waiting(place, recorder) as request, not_counting_a_busy_machine() as seconds:
        await place.rows(EDITS[edit])
        response = await request
    assert response.status_code == 200
    assert seconds() < 1
    assert response.json() == (await recorder.get("config")).json()


async def test_an_edit_on_one_replica_reaches_a_recorder_that_waits_on_another(
    place: Place, recorder: Recorder, settings: Settings
) -> None:
    async with in_a_task(running_service(settings)) as other, waiting(place, recorder) as request:
        async with httpx.AsyncClient(base_url=other.url) as http:
            assert (await http.get(f"{API}/health")).status_code == 200
        async with not_counting_a_busy_machine() as seconds:
            await Place(other, place.site_id).rows("UPDATE cameras SET name = 'Renamed'")
            assert (await request).json()["cameras"][0]["name"] == "Renamed"
        assert seconds() < 1


async def test_no_edit_is_lost_between_reading_and_waiting(place: Place, database: str, recorder: Recorder) -> None:
    etag = (await recorder.get("config")).headers["ETag"]
    engine = place.service.services.engine.sync_engine
    # Otherwise it is remembered, and not read at all.
    place.service.services.config_changes.all_changed()

    async def edit() -> None:
        connection = await connect(database)
        await connection.execute("UPDATE cameras SET name = 'Renamed'")
        await connection.close()

    edits: list[threading.Thread] = []

    def edit_when_it_was_read(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM clients JOIN sites" in statement and not edits:
            # The service's loop stands still until the edit is committed: it has the old rows and hears of it next.
            edits.append(threading.Thread(target=lambda: asyncio.run(edit())))
            edits[0].start()
            edits[0].join()

    event.listen(engine, "after_cursor_execute", edit_when_it_was_read)
    async with asyncio.timeout(25):
        response = await recorder.get("config", params={"wait": 30}, headers={"If-None-Match": etag})
    assert response.json()["cameras"][0]["name"] == "Renamed"


async def test_another_recorders_edit_wakes_nobody_else(place: Place, recorder: Recorder, stranger: Recorder) -> None:
    async with waiting(place, recorder, wait=2) as request:
        await place.rows("UPDATE clients SET name = 'Renamed' WHERE id = :id", id=stranger.id)
        response = await request
    assert (response.status_code, response.content) == (304, b"")


async def test_without_a_change_the_answer_is_304_after_the_wait(place: Place, recorder: Recorder) -> None:
    started = time.monotonic()
    async with waiting(place, recorder, wait=0.5) as request:
        assert (await request).status_code == 304
    assert 0.5 <= time.monotonic() - started < 25


@pytest.mark.parametrize("etag", [None, '"something old"'])
async def test_who_has_no_newest_version_never_waits(recorder: Recorder, etag: str | None) -> None:
    headers = {"If-None-Match": etag} if etag else {}
    async with asyncio.timeout(25):
        assert (await recorder.get("config", params={"wait": 60}, headers=headers)).status_code == 200


async def test_an_edit_that_is_taken_back_at_once_is_no_news(place: Place, recorder: Recorder) -> None:
    async with waiting(place, recorder, wait=2) as request:
        await place.rows("UPDATE clients SET name = name")
        assert (await request).status_code == 304


async def test_a_hundred_waiters_hold_no_connection_to_the_database(place: Place, recorder: Recorder) -> None:
    etag = (await recorder.get("config")).headers["ETag"]
    limits = httpx.Limits(max_connections=200)
    headers = {"Authorization": f"Bearer {recorder.token}", "If-None-Match": etag}
    async with httpx.AsyncClient(base_url=place.service.url, limits=limits, timeout=60, headers=headers) as http:

        async def news() -> httpx.Response:
            # A hundred at once may wait too long for one of ten connections: then a recorder asks again, too.
            while (response := await http.get(f"{API}/config", params={"wait": 60})).status_code == 503:
                pass
            return response

        requests = [asyncio.create_task(news()) for _ in range(100)]
        await until_waiting(place, 100)
        started = time.monotonic()
        await place.rows("UPDATE cameras SET name = 'Renamed'")
        responses = await asyncio.gather(*requests)
        # By the edit, not by the end of their wait; a hundred configurations take a loaded machine their time.
        assert time.monotonic() - started < 30
    assert {response.status_code for response in responses} == {200}
    assert place.service.services.config_changes.waiting == 0


async def test_who_hangs_up_is_waited_for_no_more(place: Place, recorder: Recorder) -> None:
    async with waiting(place, recorder, wait=60):
        pass
    async with asyncio.timeout(25):
        await until_waiting(place, 0)


async def test_an_edit_made_while_the_listening_connection_was_down_is_not_missed(
    place: Place, recorder: Recorder
) -> None:
    async with waiting(place, recorder) as request:
        async with place.service.services.sessions.begin() as session:
            # One transaction: when the edit is committed, the connection is gone.
            await session.execute(text("UPDATE cameras SET name = 'Renamed'"))
            await session.execute(text(END_LISTENING))
        async with asyncio.timeout(25):
            response = await request
    assert response.json()["cameras"][0]["name"] == "Renamed"


async def test_everybody_is_let_go_when_the_service_ends(place: Place, recorder: Recorder) -> None:
    async with waiting(place, recorder, wait=60) as request:
        place.service.stop()
        async with asyncio.timeout(25):
            assert (await request).status_code == 304
            await place.service.ended()


async def test_a_token_that_is_revoked_meanwhile_gets_no_news(place: Place, recorder: Recorder) -> None:
    async with waiting(place, recorder) as request:
        await place.rows("UPDATE client_tokens SET revoked_at = now()")
        await place.rows("UPDATE cameras SET name = 'Renamed'")
        assert (await request).status_code == 401


async def test_a_heartbeat_tells_whether_the_configuration_changed(place: Place, recorder: Recorder) -> None:
    revision = (await recorder.get("config")).json()["revision"]
    told = {"config_revision": revision}
    assert (await recorder.post("heartbeat", json=told)).json()["config_changed"] is False
    with counted_statements(place.service.services.engine) as statements:
        assert (await recorder.post("heartbeat", json=told)).json()["config_changed"] is False
    assert statements == []  # `test_round_trips` counts the one that goes past the engine
    async with waiting(place, recorder) as request:
        await place.rows("UPDATE cameras SET name = 'Renamed'")
        await request
    assert (await recorder.post("heartbeat", json=told)).json()["config_changed"] is True
    assert (await recorder.post("heartbeat", json={})).json()["config_changed"] is False


async def test_a_secret_that_can_not_be_read_is_503_and_stops_no_other_camera(
    place: Place, camera_id: uuid.UUID, recorder: Recorder, stranger: Recorder
) -> None:
    await place.assign(recorder, await place.camera("Gate"))
    await place.rows("UPDATE cameras SET password_encrypted = 'gAAAAA' WHERE id = :id", id=camera_id)
    for path in ("schedules", "cameras", "config"):
        response = await recorder.get(path)
        assert response.status_code == 503
        assert str(camera_id) in response.json()["detail"]
        assert response.headers["Retry-After"]
    assert (await recorder.post("heartbeat", json={"config_revision": "x"})).status_code == 200
    assert (await stranger.get("schedules")).status_code == 200
