"""The bucket's own holds follow those of recordings, whoever is interrupted, and nothing is asked for for ever."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from control_plane.events import COMMAND_LINE
from control_plane.recordings.holds import hold, release
from control_plane.recordings.object_holds import PAGE, settle_holds
from control_plane.services import Services
from control_plane.stores import StoreUnavailableError
from control_plane.stores.folder import FolderStore
from tests.control_plane.local_client.statements import counted_statements
from tests.control_plane.recordings.stored import NOW, Stock, stock

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


class Holding(FolderStore):
    """A folder that can hold, says what it was asked for, and goes away after so many questions."""

    def __init__(self, root: Path, answers: int = 10_000) -> None:
        super().__init__(root)
        self.answers = answers
        self.held: dict[str, bool] = {}
        self.missing: set[str] = set()

    @property
    def has_holds(self) -> bool:
        return True

    async def set_hold(self, object_name: str, *, is_held: bool) -> bool:
        await asyncio.sleep(0)
        if self.answers == 0:
            raise StoreUnavailableError("away")
        self.answers -= 1
        self.held[object_name] = is_held
        return object_name not in self.missing


async def run(services: Services, statement: str) -> None:
    async with services.sessions.begin() as session:
        await session.execute(text(statement))


async def unsettled(services: Services) -> int:
    async with services.sessions() as session:
        query = text("SELECT count(*) FROM recordings WHERE holds_unsettled_at IS NOT NULL")
        return int(await session.scalar(query) or 0)


async def holds(one: Stock) -> Sequence[str | None]:
    return [segment.store_hold for segment in await one.segments()]


async def test_what_was_asked_for_before_the_store_went_away_is_not_asked_for_again(services: Services) -> None:
    one = await stock(services)
    await one.recording(*(DAY + number * MINUTE for number in range(PAGE + 20)), held=True)
    store = Holding(one.folder, answers=PAGE + 5)
    with pytest.raises(StoreUnavailableError, match="away"):
        await settle_holds(services.sessions, store)
    store.answers = 10_000
    assert await settle_holds(services.sessions, store) == 20
    assert set(await holds(one)) == {"held"}
    assert list(store.held.values()) == [True] * (PAGE + 20)
    await store.close()


async def test_a_hold_whose_answer_nobody_heard_is_taken_away_by_a_release(services: Services) -> None:
    one = await stock(services)
    recording = await one.recording(2 * DAY, DAY, held=True)
    store = Holding(one.folder, answers=1)
    with pytest.raises(StoreUnavailableError):
        await settle_holds(services.sessions, store)
    async with services.sessions.begin() as session:
        await release(session, recording.id, actor=COMMAND_LINE)
    store.answers = 10
    assert await settle_holds(services.sessions, store) == 2
    assert set(store.held.values()) == {False}
    assert await holds(one) == [None, None]
    await store.close()


async def test_a_recording_is_looked_at_until_nothing_can_have_come_to_it_unseen(services: Services) -> None:
    one = await stock(services)
    recording = await one.recording(DAY)
    async with services.sessions.begin() as session:
        await hold(session, recording.id, now=NOW, actor=COMMAND_LINE)
    store = Holding(one.folder)
    assert (await settle_holds(services.sessions, store), await unsettled(services)) == (1, 1)
    await run(services, "UPDATE recordings SET holds_unsettled_at = holds_unsettled_at - interval '5 minutes'")
    # As by a transaction that began before and was slow.
    await run(services, "UPDATE segments SET store_hold = NULL")
    assert (await settle_holds(services.sessions, store), await unsettled(services)) == (1, 0)
    with counted_statements(services.engine) as statements:
        assert await settle_holds(services.sessions, store) == 0
    assert len([each for each in statements if "recordings" in each]) == len(statements) == 1
    await store.close()


async def test_an_object_that_is_missing_is_asked_for_no_longer_than_anything_may_come(services: Services) -> None:
    one = await stock(services)
    await one.recording(2 * DAY, DAY, held=True)
    store = Holding(one.folder)
    store.missing = {(await one.segments())[0].object_name}
    assert [await settle_holds(services.sessions, store) for _ in range(2)] == [2, 1]
    await run(services, "UPDATE recordings SET holds_unsettled_at = holds_unsettled_at - interval '5 minutes'")
    assert [await settle_holds(services.sessions, store) for _ in range(2)] == [1, 0]
    assert await holds(one) == ["asked", "held"]
    await store.close()


async def test_what_lies_in_another_store_is_left_alone(services: Services) -> None:
    one = await stock(services)
    await one.recording(DAY, held=True)
    await run(services, "UPDATE segments SET store_url = 'gs://old'")
    store = Holding(one.folder)
    assert await settle_holds(services.sessions, store) == 0
    assert await holds(one) == [None]
    await store.close()
