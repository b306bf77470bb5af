"""The database recreated from what is in a store, and compared with it."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from control_plane.services import Services
from control_plane.stores import Examined, ListedObject, StoreUnavailableError
from control_plane.stores.folder import FolderStore
from tests.control_plane.rebuild.objects import NOW, Camera, Object, rebuilt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket"
    folder.mkdir()
    return folder


async def rows(services: Services, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    async with services.sessions.begin() as session:
        result: Any = await session.execute(text(statement), parameters)
        return [dict(row) for row in result.mappings()] if result.returns_rows else []


async def segments(services: Services) -> list[dict[str, Any]]:
    return await rows(services, "SELECT * FROM segments ORDER BY camera_id, started_at")


def all_of(rows: Sequence[dict[str, Any]], objects: Sequence[Object]) -> bool:
    """Whether these are the rows of these objects, in every column that an object tells."""
    wanted = sorted((each.row() for each in objects), key=lambda row: (row["camera_id"], row["started_at"]))
    return [{name: row[name] for name in wanted[0]} for row in rows] == wanted


async def test_an_empty_database_gets_everything_that_objects_say_of_themselves(
    services: Services, folder: Path
) -> None:
    yard, gate = Camera(), Camera()
    objects = [yard.segment(n) for n in range(3)] + [gate.segment(n, clock_error_seconds=None) for n in range(2)]
    for each in objects:
        each.put(folder)
    found = await rebuilt(services)
    assert (found.told, found.made) == ([], (5, 2, 2, 2))
    assert all_of(await segments(services), objects)
    (recording,) = await rows(services, "SELECT * FROM recordings WHERE id = :id", id=yard.recording_id)
    assert recording["name"] == "Yard by night"
    assert recording["started_at"] == objects[0].description.recording_started_at
    assert recording["ended_at"] == objects[2].description.end
    assert recording["frames_recorded"] == sum(each.description.packets for each in objects[:3])
    assert recording["file_size"] == sum(len(each.content) for each in objects[:3])
    assert (recording["status"], recording["error_code"]) == ("stopped", "rebuilt")
    again = await rebuilt(services)
    assert (again.told, again.made, again.summary.agreed) == ([], (0, 0, 0, 0), 5)


async def test_what_footage_alone_remembers_is_made_inactive_and_its_recorder_may_go_on(
    services: Services, folder: Path
) -> None:
    yard = Camera()
    yard.segment().put(folder)
    await rebuilt(services)
    query = (
        "SELECT site.name AS site, camera.name, camera.is_active, client.name AS client, client.is_active AS works,"
        " (SELECT count(*) FROM client_cameras) AS assigned FROM cameras AS camera, clients AS client, sites AS site"
        " WHERE camera.site_id = site.id AND client.site_id = site.id"
    )
    assert await rows(services, query) == [
        {
            "site": "Recovered",
            "name": f"Recovered {yard.camera_id}",
            "is_active": False,
            "client": f"Recovered {yard.client_id}",
            "works": False,
            "assigned": 1,
        }
    ]
    kinds = {row["kind"] for row in await rows(services, "SELECT kind FROM events")}
    assert kinds == {"site.created", "camera.recovered", "client.recovered", "camera.index_rebuilt"}


async def test_a_dry_run_says_what_would_be_made_and_makes_nothing(services: Services, folder: Path) -> None:
    each = Camera().segment()
    each.put(folder)
    assert (await rebuilt(services, is_dry=True)).told == [("missing_row", each.name)]
    assert await segments(services) == []
    assert await rows(services, "SELECT id FROM cameras") == []


async def test_what_differs_is_told_and_nothing_that_exists_is_changed(services: Services, folder: Path) -> None:
    objects = [Camera().segment(n) for n in range(6)]
    changed, shorter, lost, deleted, offered, other = objects
    for each in objects:
        each.put(folder)
    await rebuilt(services)
    (folder / changed.name).write_bytes(changed.content[::-1])
    (folder / shorter.name).write_bytes(shorter.content[1:])
    (folder / lost.name).unlink()
    await rows(services, "UPDATE segments SET state = 'deleted' WHERE id = :id", id=deleted.description.segment_id)
    await rows(services, "UPDATE segments SET state = 'offered' WHERE id = :id", id=offered.description.segment_id)
    await rows(services, "UPDATE segments SET packets = 7 WHERE id = :id", id=other.description.segment_id)
    before = await segments(services)
    quick = await rebuilt(services)
    assert quick.told == sorted(
        [
            ("different", shorter.name),
            ("missing_object", lost.name),
            ("different", deleted.name),
            ("different", offered.name),
        ]
    )
    assert quick.summary.agreed == 2, "their sizes are right"
    careful = await rebuilt(services, with_checksums=True)
    told = {finding.object_name: dict(finding.differences) for finding in careful.findings}
    assert told[other.name] == {"packets": (7, other.description.packets)}
    assert told[deleted.name] == {"state": ("deleted", "stored")}
    assert set(told[changed.name]) == {"crc32c", "sha256"}
    assert await segments(services) == before
    assert quick.made == careful.made == (0, 0, 0, 0)


async def test_a_byte_that_flipped_is_found_by_reading_what_is_known(services: Services, folder: Path) -> None:
    each = Camera().segment()
    file = each.put(folder)
    await rebuilt(services)
    file.write_bytes(b"F" + each.content[1:])
    assert (await rebuilt(services)).told == []
    (finding,) = (await rebuilt(services, with_checksums=True)).findings
    assert set(finding.differences) == {"crc32c", "sha256"}
    assert finding.differences["sha256"][0] == each.sha256


async def test_a_link_that_is_not_the_file_s_is_found(services: Services, folder: Path) -> None:
    each = Camera().segment()
    each.put(folder)
    await rebuilt(services)
    await rows(services, "UPDATE segments SET link_sha256 = :link", link="ab" * 32)
    assert (await rebuilt(services)).told == [], "in a folder the files are not read for it"
    (finding,) = (await rebuilt(services, with_checksums=True)).findings
    assert dict(finding.differences) == {"link_sha256": ("ab" * 32, each.row()["link_sha256"])}


async def test_two_objects_of_one_segment_are_told_and_one_of_them_is_its_row_s(
    services: Services, folder: Path
) -> None:
    yard = Camera()
    first = yard.segment(0)
    second = replace(yard, recording_id=uuid7()).segment(1, segment_id=first.description.segment_id)
    for each in (first, second):
        each.put(folder)
    found = await rebuilt(services)
    assert (found.told, found.made[0]) == ([("contradictory", second.name)], 1)
    assert first.name in found.findings[0].detail
    again = await rebuilt(services)
    assert (again.told, again.summary.agreed) == ([("contradictory", second.name)], 1)
    await rows(services, "TRUNCATE segments")
    (folder / first.name).unlink()
    await rebuilt(services)
    first.put(folder)
    assert (await rebuilt(services)).told == [("contradictory", first.name)], "the row names the other"


class _ListedBefore(FolderStore):
    """A folder that was listed before one of its files was there."""

    new = ""

    async def listed(self, prefix: str = "") -> AsyncIterator[Sequence[ListedObject]]:
        async for page in super().listed(prefix):
            yield [each for each in page if each.name != self.new]


async def test_what_the_service_stores_or_deletes_meanwhile_is_no_difference(services: Services, folder: Path) -> None:
    yard = Camera()
    stored, deleted, older = (yard.segment(n) for n in range(3))
    for each in (stored, deleted, older):
        each.put(folder)
    await rebuilt(services)
    later = NOW + timedelta(seconds=1)
    await rows(
        services, "UPDATE segments SET stored_at = :at WHERE id = :id", at=later, id=stored.description.segment_id
    )
    await rows(
        services,
        "UPDATE segments SET state = 'deleted', deleted_at = :at WHERE id = :id",
        at=later,
        id=deleted.description.segment_id,
    )
    store = _ListedBefore(folder)
    store.new = stored.name
    assert (await rebuilt(services, store)).told == []
    store.new = older.name
    assert (await rebuilt(services, store)).told == [("missing_object", older.name)], "stored before the run began"
    await store.close()


async def test_what_is_not_ours_or_says_too_little_or_lies_is_listed_and_left(services: Services, folder: Path) -> None:
    yard = Camera()
    silent, nameless, liar, stray = yard.segment(0), yard.segment(1, client_id=None), yard.segment(2), yard.segment(3)
    nameless.put(folder)
    silent.put(folder).write_bytes(b"no box")
    liar.put(folder).write_bytes(yard.segment(9).content)
    taken = Camera(recording_id=yard.recording_id).segment(4)
    for each in (stray, taken):
        each.put(folder)
    (folder / "notes.txt").write_text("by hand")
    (folder / "cameras" / "holiday.mp4").write_text("not ours")
    (folder / silent.name).with_name(".unfinished.mp4.part").write_text("being uploaded")
    (folder / "elsewhere").symlink_to("/etc")
    found = await rebuilt(services)
    contradicts = [name for kind, name in found.told if kind == "contradictory"]
    assert liar.name in contradicts
    assert len(contradicts) == 2, "one of the two cameras that claim the recording"
    assert [told for told in found.told if told[0] != "contradictory"] == sorted(
        [
            ("foreign", "notes.txt"),
            ("foreign", "cameras/holiday.mp4"),
            ("undescribed", silent.name),
            ("undescribed", nameless.name),
        ]
    )
    assert found.summary.segments == 1
    assert found.summary.objects == 7


async def test_rows_whose_camera_has_nothing_in_the_store_are_missing_objects(services: Services, folder: Path) -> None:
    gone, days_apart = Camera().segment(), Camera()
    few = [days_apart.segment(24 * 60 * day) for day in range(5)]
    for each in (gone, *few):
        each.put(folder)
    await rebuilt(services)
    for each in (gone, few[0], few[2], few[4]):
        (folder / each.name).unlink()
    found = await rebuilt(services)
    assert found.told == sorted(("missing_object", each.name) for each in (gone, few[0], few[2], few[4]))
    for each in (few[1], few[3]):
        (folder / each.name).unlink()
    assert len((await rebuilt(services)).told) == 6, "an empty store"


async def test_old_footage_gets_the_partitions_of_its_months(services: Services, folder: Path) -> None:
    yard = Camera()
    objects = [yard.segment(n * 60 * 24 * 45 - 60 * 24 * 365 * 3, packets=1500) for n in range(4)]
    for each in objects:
        each.put(folder)
    await rebuilt(services)
    assert all_of(await segments(services), objects)
    assert await rows(services, "SELECT id FROM segments_default") == []


async def test_a_rebuild_that_was_stopped_goes_on_where_it_was(services: Services, folder: Path) -> None:
    cameras = [Camera() for _ in range(3)]
    objects = [camera.segment(n) for camera in cameras for n in range(501)]
    for each in objects:
        each.put(folder)
    store = _Failing(folder, reads=900)
    with pytest.raises(ExceptionGroup) as stopped:
        await rebuilt(services, store)
    assert stopped.group_contains(StoreUnavailableError)
    assert len(await segments(services)) == 501
    found = await rebuilt(services)
    assert (found.told, found.made) == ([], (1002, 2, 2, 2))
    assert all_of(await segments(services), objects)
    await store.close()
    counted = await rows(services, "SELECT DISTINCT frames_recorded FROM recordings")
    assert counted == [{"frames_recorded": sum(each.description.packets for each in objects[:501])}]


async def test_a_recording_that_the_database_knows_keeps_what_it_says(services: Services, folder: Path) -> None:
    yard = Camera()
    first, second = yard.segment(0), yard.segment(1)
    first.put(folder)
    await rebuilt(services)
    await rows(services, "UPDATE recordings SET name = 'Kept', error_code = NULL, status = 'completed', file_size = 1")
    second.put(folder)
    assert (await rebuilt(services)).made == (1, 0, 0, 0)
    assert await rows(services, "SELECT name, status, file_size FROM recordings") == [
        {"name": "Kept", "status": "completed", "file_size": 1}
    ]


async def test_a_folder_that_is_away_is_an_error_and_no_row_is_called_missing(services: Services, folder: Path) -> None:
    store = FolderStore(folder / "away")
    with pytest.raises(StoreUnavailableError, match="mount the disk"):
        await rebuilt(services, store)
    await store.close()


async def test_a_segment_s_schedule_is_named_where_it_still_exists(services: Services, folder: Path) -> None:
    yard = Camera()
    yard.segment(schedule_id=uuid7()).put(folder)
    await rebuilt(services)
    assert await rows(services, "SELECT schedule_id FROM recordings") == [{"schedule_id": None}]


class _Failing(FolderStore):
    """A folder whose disk goes away after so many reads."""

    def __init__(self, root: Path, reads: int) -> None:
        super().__init__(root)
        self._reads = reads

    async def examine(self, object_name: str, tail_bytes: int) -> Examined | None:
        self._reads -= 1
        if self._reads < 0:
            raise StoreUnavailableError("gone")
        return await super().examine(object_name, tail_bytes)
