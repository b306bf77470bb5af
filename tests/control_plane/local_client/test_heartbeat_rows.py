"""Heartbeats in groups: all of them are kept, in place, and a row that somebody holds keeps nobody else waiting."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from control_plane.security.tokens import new_client_token
from tests.control_plane.local_client.sites import API, Place, Recorder
from tests.postgres import connect

UPDATES = "SELECT n_tup_upd, n_tup_hot_upd, n_tup_ins FROM pg_stat_user_tables WHERE relname = $1"


@asynccontextmanager
async def recorders(place: Place, number: int) -> AsyncIterator[list[Recorder]]:
    made = [await place.recorder(name=f"Recorder {n}") for n in range(number)]
    yield made
    for recorder in made:
        await recorder.http.aclose()


async def beat(recorder: Recorder, active: int) -> None:
    body = {"active_recordings": active, "system_info": {"model": "x" * 900}}
    assert (await recorder.post("heartbeat", json=body)).json()["client_id"] == str(recorder.id)


async def test_every_heartbeat_is_an_update_in_place(place: Place) -> None:
    # A snapshot of its own would keep old versions of rows in the way of new ones.
    await place.rows("ALTER TABLE client_contacts SET (autovacuum_enabled = false)")
    async with recorders(place, 20) as fleet:
        for active in range(6):
            await asyncio.gather(*(beat(recorder, active) for recorder in fleet))
    services = place.service.services
    await services.direct.close()  # a connection tells what it did when it ends, at the latest
    connection = await connect(services.engine.url.render_as_string(hide_password=False))
    try:
        async with asyncio.timeout(30):
            while (row := (await connection.fetch(UPDATES, "client_contacts"))[0])["n_tup_upd"] < 100:
                await connection.execute("SELECT pg_stat_clear_snapshot()")
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
    # The first of each recorder makes its row; the others change nothing that an index would have to know.
    assert (row["n_tup_ins"], row["n_tup_upd"], row["n_tup_hot_upd"]) == (20, 100, 100)
    kept = await place.rows("SELECT active_recordings, heartbeat->'active_recordings' AS told FROM client_contacts")
    assert {(contact["active_recordings"], contact["told"]) for contact in kept} == {(5, 5)}


async def test_a_contact_that_somebody_holds_keeps_no_other_heartbeat_waiting(
    place: Place, recorder: Recorder, stranger: Recorder
) -> None:
    await asyncio.gather(beat(recorder, 1), beat(stranger, 1))
    connection = await connect(place.service.services.engine.url.render_as_string(hide_password=False))
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM client_contacts WHERE client_id = $1 FOR UPDATE", recorder.id)
            waiting = asyncio.create_task(beat(recorder, 2))
            await beat(stranger, 2)
            assert not waiting.done()
        await waiting
    finally:
        await connection.close()
    assert {row["active_recordings"] for row in await place.rows("SELECT active_recordings FROM client_contacts")} == {
        2
    }


async def test_of_a_client_with_two_tokens_the_later_heartbeat_counts(place: Place, recorder: Recorder) -> None:
    second = new_client_token()
    await place.rows(
        "INSERT INTO client_tokens (id, client_id, prefix, token_sha256) VALUES (:id, :client_id, 'cfr_', :sha256)",
        id=uuid.uuid4(),
        client_id=recorder.id,
        sha256=second.sha256,
    )
    async with httpx.AsyncClient(
        base_url=place.service.url, headers={"Authorization": f"Bearer {second.text}"}, timeout=30
    ) as http:
        both = Recorder(recorder.id, second.text, http)
        await asyncio.gather(*(beat(who, 3) for who in (recorder, both) for _ in range(5)))
    assert (await place.row("SELECT active_recordings FROM client_contacts"))["active_recordings"] == 3


@pytest.mark.parametrize("ending", ["UPDATE client_tokens SET revoked_at = now()", "DELETE FROM clients"])
async def test_a_token_that_ends_among_others_is_401_and_keeps_nothing(
    place: Place, stranger: Recorder, ending: str
) -> None:
    async with recorders(place, 1) as (doomed,):
        await place.rows(f"{ending} WHERE {'client_id' if 'tokens' in ending else 'id'} = :id", id=doomed.id)
        answers = await asyncio.gather(
            *(who.http.post(f"{API}/heartbeat", json={}) for who in (doomed, stranger, doomed, stranger))
        )
    assert [answer.status_code for answer in answers] == [401, 200, 401, 200]
    (contact,) = await place.rows("SELECT client_id FROM client_contacts")
    assert contact["client_id"] == stranger.id
