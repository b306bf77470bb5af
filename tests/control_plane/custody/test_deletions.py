"""What retention deletes is no tampering; what only looks so, is."""

import asyncio
import time
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from control_plane.stores import Examined, Removal, StoredObject
from control_plane.stores.folder import FolderStore
from tests.control_plane.custody.chained import KEPT_DAYS, MINUTE, START, Scene


async def test_deletion_by_retention_is_no_tampering(yard: Scene) -> None:
    await yard.kept_to_retention(START + 3 * MINUTE)
    notes = await yard.findings()
    assert [(note.kind.value, note.sequence, note.is_problem) for note in notes] == [
        ("deleted", 1, False),
        ("deleted", 2, False),
    ]
    assert f"retention: {KEPT_DAYS} days" in notes[0].text


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({}, "not 30 days old"),
        ({"deleted_at": START + timedelta(days=60)}, "no audit event"),
        ({"deletion_reason": "retention: 7 days"}, "no audit event"),
        ({"deletion_reason": "cleaned up"}, "no rule of retention"),
        ({"deleted_at": None}, "no rule of retention"),
    ],
    ids=["too young", "at another time", "by another rule", "for no rule's reason", "at no time"],
)
async def test_an_object_removed_whose_row_says_that_retention_did_it(
    yard: Scene, columns: dict[str, object], why: str
) -> None:
    at = await yard.kept_to_retention(START + 3 * MINUTE)
    yard.remove(yard.number(4))
    told = {"state": "deleted", "deleted_at": at, "deletion_reason": f"retention: {KEPT_DAYS} days"}
    await yard.change(yard.number(4), **(told | columns))
    (finding,) = [finding for finding in await yard.findings() if finding.is_problem]
    assert (finding.kind.value, finding.sequence) == ("deletion_unexplained", 4)
    assert why in finding.text


class _FasterRetention(FolderStore):
    """While an object is looked for, or read, retention has it, and has not written that down yet."""

    def __init__(self, yard: Scene, at_call: str) -> None:
        super().__init__(yard.folder)
        self._yard, self._at_call = yard, at_call
        self._is_deleted = asyncio.Event()
        self.retention: asyncio.Task[datetime] | None = None

    async def look_up(self, object_name: str) -> StoredObject | None:
        await self._begin("look_up", object_name)
        return await super().look_up(object_name)

    async def examine(self, object_name: str, tail_bytes: int) -> Examined | None:
        await self._begin("examine", object_name)
        return await super().examine(object_name, tail_bytes)

    async def delete(self, object_name: str, generation: int) -> Removal:
        removal = await super().delete(object_name, generation)
        self._is_deleted.set()
        limit = time.monotonic() + 60
        while not await self._somebody_waits_for_the_batch():
            assert time.monotonic() < limit, "nobody waits for what becomes of the row"
            await asyncio.sleep(0.05)
        return removal

    async def _begin(self, call: str, object_name: str) -> None:
        if call == self._at_call and object_name == self._yard.number(1).object_name:
            self.retention = asyncio.create_task(self._yard.kept_to_retention(START + 2 * MINUTE))
            await self._is_deleted.wait()

    async def _somebody_waits_for_the_batch(self) -> bool:
        query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        async with self._yard.services.sessions() as session:
            return (await session.execute(text(query))).first() is not None


@pytest.mark.parametrize("at_call", ["look_up", "examine"])
async def test_what_retention_deletes_while_it_is_looked_at_is_no_tampering(yard: Scene, at_call: str) -> None:
    if yard.gcs:
        pytest.skip("the store is a folder's")
    store = _FasterRetention(yard, at_call)
    yard.services = replace(yard.services, store=store)
    notes = await yard.findings(with_bytes=True)
    assert [(note.kind.value, note.sequence) for note in notes] == [("deleted", 1)]
    assert store.retention is not None
    await store.retention
    await store.close()
