"""What retention deletes is no tampering; what only looks so, is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from control_plane.stores import Examined, StoredObject
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
    """While an object is looked for, or read, retention has it."""

    def __init__(self, yard: Scene, at_call: str) -> None:
        super().__init__(yard.folder)
        self._yard, self._at_call = yard, at_call

    async def look_up(self, object_name: str) -> StoredObject | None:
        await self._retention("look_up", object_name)
        return await super().look_up(object_name)

    async def examine(self, object_name: str, tail_bytes: int) -> Examined | None:
        await self._retention("examine", object_name)
        return await super().examine(object_name, tail_bytes)

    async def _retention(self, call: str, object_name: str) -> None:
        if call == self._at_call and object_name == self._yard.number(1).object_name:
            await self._yard.kept_to_retention(START + 2 * MINUTE)


@pytest.mark.parametrize("at_call", ["look_up", "examine"])
async def test_what_retention_deletes_while_it_is_looked_at_is_no_tampering(yard: Scene, at_call: str) -> None:
    if yard.gcs:
        pytest.skip("the store is a folder's")
    store = _FasterRetention(yard, at_call)
    yard.services = replace(yard.services, store=store)
    notes = await yard.findings(with_bytes=True)
    assert [(note.kind.value, note.sequence) for note in notes] == [("deleted", 1)]
    await store.close()
