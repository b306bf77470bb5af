"""A recorder gets its new token by command; the old one ends once the new one was used, and not before."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from control_plane.commands.asking import ask_to_rotate_token
from control_plane.commands.states import ANSWERED_WITHIN, TOKEN_LIFETIME
from control_plane.errors import Conflict
from control_plane.fleet.clients import find_client, revoke_tokens
from control_plane.models import Command
from tests.control_plane.local_client.sites import OPERATOR, Place, Recorder
from tests.control_plane.local_client.test_commands import BY, forget, kept, tell, until_nothing_is_told


async def rotate(place: Place, recorder: Recorder) -> Command:
    services = place.service.services
    async with services.sessions.begin() as session:
        now = datetime.now(UTC)
        return await ask_to_rotate_token(session, services.secrets, recorder.id, now=now, by=BY)


async def delivered(recorder: Recorder) -> str:
    (command,) = (await recorder.get("config")).json()["commands"]
    assert command["kind"] == "rotate_token"
    token: str = command["token"]
    return token


async def is_let_in(recorder: Recorder) -> bool:
    response = await recorder.get("schedules")
    assert response.status_code in {200, 401}
    return response.status_code == 200


@pytest_asyncio.fixture
async def with_token(place: Place, recorder: Recorder) -> AsyncIterator[Any]:
    """The same recorder with another token."""
    made: list[httpx.AsyncClient] = []

    def make(token: str) -> Recorder:
        headers = {"Authorization": f"Bearer {token}"}
        made.append(httpx.AsyncClient(base_url=place.service.url, headers=headers, timeout=30))
        return dataclasses.replace(recorder, token=token, http=made[-1])

    yield make
    for http in made:
        await http.aclose()


async def test_the_old_token_ends_once_the_new_one_was_used(place: Place, recorder: Recorder, with_token: Any) -> None:
    command = await rotate(place, recorder)
    assert (await rotate(place, recorder)).id == command.id, "asking twice makes one token"
    new = with_token(await delivered(recorder))
    await tell(recorder, command, "accepted")
    assert await is_let_in(new)
    assert await is_let_in(recorder)
    await tell(recorder, command, "done", 409)
    assert await is_let_in(recorder), "nobody has shown yet that the new one works"
    assert await tell(new, command, "done") == "done"
    assert await is_let_in(new)
    assert not await is_let_in(recorder)
    assert await tell(new, command, "done") == "done"
    row = await kept(place, command)
    assert (row["secret_encrypted"], row["ended_as"]) == (None, "done")
    events = await place.rows("SELECT kind, detail FROM events WHERE kind LIKE 'client.token%' ORDER BY occurred_at")
    assert [event["kind"] for event in events] == ["client.token_rotated", "client.tokens_revoked"]
    assert events[0]["detail"]["token_prefix"] == new.token[:10]
    assert events[1]["detail"]["token_prefixes"] == [recorder.token[:10]]


async def test_on_its_way_the_token_is_in_no_table_in_clear(place: Place, recorder: Recorder) -> None:
    command = await rotate(place, recorder)
    token = await delivered(recorder)
    assert place.service.services.secrets.decrypt((await kept(place, command))["secret_encrypted"]) == token
    for table in ("commands", "client_tokens", "events", "client_contacts"):
        assert token not in str(await place.rows(f"SELECT * FROM {table}"))  # noqa: S608 - our names
    assert token not in repr(command)


async def test_a_new_token_waits_for_a_recorder_that_is_offline(
    place: Place, recorder: Recorder, with_token: Any
) -> None:
    assert await place.rows("SELECT * FROM client_contacts") == [], "it was never heard of"
    command = await rotate(place, recorder)
    assert command.expires_at - command.asked_at == TOKEN_LIFETIME
    await forget(place, datetime.now(UTC) + TOKEN_LIFETIME - timedelta(minutes=1))
    new = with_token(await delivered(recorder))
    await tell(new, command, "done")
    assert not await is_let_in(recorder)


async def test_a_token_that_nobody_fetched_ends_and_the_old_one_stays(
    place: Place, recorder: Recorder, with_token: Any
) -> None:
    command = await rotate(place, recorder)
    new = with_token(await delivered(recorder))
    assert await forget(place, datetime.now(UTC) + TOKEN_LIFETIME) == 1
    assert not await is_let_in(new)
    assert await is_let_in(recorder)
    assert (await kept(place, command))["secret_encrypted"] is None
    await until_nothing_is_told(recorder)


async def test_a_token_that_was_fetched_and_never_confirmed_stays_beside_the_old_one(
    place: Place, recorder: Recorder, with_token: Any
) -> None:
    command = await rotate(place, recorder)
    new = with_token(await delivered(recorder))
    await tell(recorder, command, "accepted")
    assert await forget(place, datetime.now(UTC) + TOKEN_LIFETIME + ANSWERED_WITHIN) == 1
    assert await is_let_in(new)
    assert await is_let_in(recorder)
    assert await tell(new, command, "done") == "done"
    assert not await is_let_in(recorder)


async def test_a_recorder_that_can_not_keep_it_stays_on_the_old_one(
    place: Place, recorder: Recorder, with_token: Any
) -> None:
    command = await rotate(place, recorder)
    new = with_token(await delivered(recorder))
    await tell(recorder, command, "accepted")
    assert await tell(recorder, command, "failed", detail="the data disk is read-only") == "failed"
    assert not await is_let_in(new)
    assert await is_let_in(recorder)


async def test_whoever_revokes_all_tokens_revokes_the_one_on_its_way(
    place: Place, recorder: Recorder, with_token: Any
) -> None:
    command = await rotate(place, recorder)
    new = with_token(await delivered(recorder))
    async with place.service.services.sessions.begin() as session:
        client = await find_client(session, recorder.id, seen_by=BY, for_change=True)
        assert await revoke_tokens(session, client, now=datetime.now(UTC), actor=OPERATOR) == 2
    assert not await is_let_in(new)
    assert not await is_let_in(recorder)
    assert (await kept(place, command))["ended_as"] == "failed"


async def test_an_inactive_recorder_gets_none(place: Place, recorder: Recorder) -> None:
    await place.rows("UPDATE clients SET is_active = false")
    with pytest.raises(Conflict, match="switched off"):
        await rotate(place, recorder)


async def test_two_who_ask_at_once_make_one_token(place: Place, recorder: Recorder) -> None:
    asked = await asyncio.gather(*(rotate(place, recorder) for _ in range(4)))
    assert len({command.id for command in asked}) == 1
    assert len(await place.rows("SELECT id FROM client_tokens")) == 2
