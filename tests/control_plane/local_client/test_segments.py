"""Offered segments: nothing is `stored` that the store does not have with these very bytes."""

import asyncio
import uuid
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from camfleet_contract.segments import SegmentOffer, object_name
from control_plane.recordings.offer_outcomes import name_of
from control_plane.recordings.offers import Desk, decide_offers
from control_plane.stores import StoredObject
from control_plane.stores.folder import FolderStore
from tests.control_plane.local_client.footage import START, Footage
from tests.control_plane.local_client.sites import Place, Recorder
from tests.control_plane.local_client.statements import counted_statements


async def test_an_uploaded_segment_is_stored_and_its_row_says_all(footage: Footage, place: Place) -> None:
    offer = footage.offer(previous_sha256="ab" * 32, clock_error_seconds=0.25)
    footage.put(offer)
    (answer,) = await footage.answers(offer)
    assert (answer["verdict"], answer["object_name"]) == ("stored", offer["object_name"])
    row = await place.row("SELECT * FROM segments")
    assert {name: row[name] for name in ("state", "generation", "crc32c", "sha256", "previous_sha256", "packets")} == {
        "state": "stored",
        "generation": 0,
        "crc32c": offer["crc32c"],
        "sha256": offer["sha256"],
        "previous_sha256": "ab" * 32,
        "packets": 1500,
    }
    assert (row["started_at"], row["ended_at"]) == (START, START + timedelta(minutes=1))
    assert row["stored_at"] is not None
    assert row["store_url"] == place.service.services.store.url
    assert (row["clock_error_seconds"], row["client_id"]) == (0.25, footage.recorder.id)


async def test_a_missing_object_is_not_stored_until_it_is_there(footage: Footage, place: Place) -> None:
    offer = footage.offer()
    assert await footage.verdicts(offer) == ["object_missing"]
    assert (await place.row("SELECT state, stored_at FROM segments")) == {"state": "offered", "stored_at": None}
    footage.put(offer)
    assert await footage.verdicts(offer) == ["stored"]
    store_url = place.service.services.store.url
    assert await place.row("SELECT state, store_url FROM segments") == {"state": "stored", "store_url": store_url}


@pytest.mark.parametrize("damage", [b"other bytes", b"", b"x"])
async def test_an_object_with_other_bytes_is_not_stored(footage: Footage, damage: bytes, place: Place) -> None:
    offer = footage.offer()
    file = footage.put(offer)
    file.write_bytes(damage or file.read_bytes()[:-1] + b"?")
    assert await footage.verdicts(offer) == ["checksum_mismatch"]
    assert (await place.row("SELECT state FROM segments"))["state"] == "offered"


async def test_what_is_stored_of_a_held_recording_is_to_be_held_by_the_store_too(
    footage: Footage, place: Place
) -> None:
    for number, held_at in enumerate(("NULL", "now()")):
        await place.rows(f"UPDATE recordings SET held_at = {held_at}")  # noqa: S608 - from the list above
        offer = footage.offer(number)
        for verdict, is_unsettled in (("object_missing", False), ("stored", held_at != "NULL")):
            assert await footage.verdicts(offer) == [verdict]
            row = await place.row("SELECT holds_unsettled_at IS NOT NULL AS is_unsettled FROM recordings")
            assert row == {"is_unsettled": is_unsettled}
            footage.put(offer, number)


async def test_a_repeat_is_stored_at_once_without_asking_the_store(footage: Footage) -> None:
    offer = footage.offer()
    file = footage.put(offer)
    assert await footage.verdicts(offer) == ["stored"]
    file.unlink()
    assert await footage.verdicts(offer, offer) == ["stored", "stored"]


async def test_the_same_id_with_other_bytes_is_a_conflict(footage: Footage, place: Place) -> None:
    offer = footage.offer()
    footage.put(offer)
    other = offer | {"sha256": "cd" * 32}
    assert await footage.verdicts(offer, other) == ["stored", "conflict"]
    assert await footage.verdicts(other, offer) == ["conflict", "stored"]
    assert (await place.row("SELECT sha256 FROM segments"))["sha256"] == offer["sha256"]


async def test_offers_of_one_segment_that_cross_on_the_way_are_all_stored_once(footage: Footage, place: Place) -> None:
    offers = [footage.offer(number) for number in range(20)]
    for number, offer in enumerate(offers):
        footage.put(offer, number)
    told = await asyncio.gather(*(footage.verdicts(*batch) for batch in (offers, offers[::-1], offers, offers[5:])))
    assert {verdict for verdicts in told for verdict in verdicts} == {"stored"}
    assert (await place.row("SELECT count(*) AS n FROM segments"))["n"] == 20


async def test_each_offer_of_a_batch_is_answered_by_itself(footage: Footage, place: Place) -> None:
    strange_camera = str(await place.camera("Elsewhere"))
    good = footage.offer(0)
    footage.put(good)
    batch = {
        "stored": good,
        "object_missing": footage.offer(1),
        "unknown_recording": footage.offer(2, recording_id=str(uuid7())),
        "unknown_camera": footage.offer(3, recording_id=str(uuid7()), camera_id=strange_camera),
        "conflict": footage.offer(4, object_name="cameras/../../../etc/passwd"),
    }
    assert await footage.verdicts(*batch.values()) == list(batch)
    rows = await place.rows("SELECT state FROM segments ORDER BY started_at")
    assert [row["state"] for row in rows] == ["stored", "offered"]


async def test_a_recording_of_another_camera_or_client_is_unknown(
    footage: Footage, place: Place, stranger: Recorder
) -> None:
    gate = await place.camera("Gate")
    await place.assign(footage.recorder, gate)
    assert await footage.verdicts(footage.offer(camera_id=str(gate))) == ["unknown_recording"]
    await place.assign(stranger, footage.camera_id)
    (answer,) = await footage.answers(footage.offer(), recorder=stranger)
    assert (answer["verdict"], answer["code"]) == ("refused", "unknown_recording")
    assert await place.rows("SELECT id FROM segments") == []


async def test_footage_of_a_camera_that_was_taken_away_since_is_still_stored(footage: Footage, place: Place) -> None:
    offer = footage.offer()
    footage.put(offer)
    await place.rows("DELETE FROM client_cameras")
    assert await footage.verdicts(offer) == ["stored"]


@pytest.mark.parametrize(
    ("start", "verdict"),
    [
        ("0001-01-01T00:00:00+00:00", "conflict"),
        ("1970-01-01T00:00:00+00:00", "conflict"),
        ("1999-12-31T23:59:59.999999+00:00", "conflict"),
        ("2000-01-01T00:00:00+00:00", "stored"),
        ("2100-12-31T23:58:59+00:00", "stored"),
        ("2101-01-01T00:00:00+00:00", "conflict"),
        ("9999-12-31T23:58:00+00:00", "conflict"),
    ],
)
async def test_absurd_dates_are_refused_and_rare_ones_kept(
    footage: Footage, start: str, verdict: str, place: Place
) -> None:
    moment = datetime.fromisoformat(start)
    offer = footage.offer(start=start, end=(moment + timedelta(seconds=1)).isoformat())
    offer["object_name"] = object_name(footage.camera_id, footage.recording_id, uuid.UUID(offer["id"]), moment)
    footage.put(offer)
    assert await footage.verdicts(offer) == [verdict]
    assert len(await place.rows("SELECT id FROM segments")) == (verdict == "stored")


async def test_a_recorder_without_a_way_into_the_folder_is_told_what_to_set(footage: Footage) -> None:
    (answer,) = await footage.answers(footage.offer(uploaded=False))
    assert (answer["verdict"], answer["code"]) == ("refused", "store_unavailable")
    assert "set STORAGE_URL on the recorder" in answer["reason"]


async def test_a_store_that_is_gone_refuses_for_now(footage: Footage) -> None:
    offer = footage.offer()
    file = footage.put(offer)
    bucket = file.parents[6]
    bucket.rename(bucket.with_name("unmounted"))
    assert await footage.verdicts(offer) == ["store_unavailable"]
    bucket.with_name("unmounted").rename(bucket)
    assert await footage.verdicts(offer) == ["stored"]


class HeldStore(FolderStore):
    """A store that answers when the test lets it, as a slow disk does, and counts who asks at once."""

    def __init__(self, found: StoredObject) -> None:
        super().__init__(Path("/held"))
        self.found = found
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.asking = 0

    async def look_up(self, object_name: str) -> StoredObject | None:
        self.asking += 1
        self.is_asked.set()
        await self.may_answer.wait()
        return self.found


async def test_a_slow_store_holds_no_connection_and_is_not_asked_for_all_at_once(
    footage: Footage, place: Place
) -> None:
    services = place.service.services
    offers = [SegmentOffer.model_validate(footage.offer(number)) for number in range(10)] * 10
    offers = [offer.model_copy(update={"id": uuid7(), "object_name": None}) for offer in offers]
    offers = [offer.model_copy(update={"object_name": name_of(offer)}) for offer in offers]
    store = HeldStore(StoredObject(offers[0].size_bytes, offers[0].crc32c, 0))
    desk = Desk(services.offer_rows, store, services.secrets)
    deciding = asyncio.create_task(decide_offers(desk, footage.recorder.id, offers, START))
    async with asyncio.timeout(60):
        await store.is_asked.wait()
        await asyncio.sleep(0)
        pool: Any = services.engine.pool
        assert pool.checkedout() == 0
        assert store.asking < len(offers) / 2
        # Nothing is called stored that was not compared, and nothing is written meanwhile.
        assert await place.rows("SELECT id FROM segments") == []
        store.may_answer.set()
        verdicts = await deciding
    assert {verdict.verdict for verdict in verdicts[::10]} == {"stored"}
    assert {verdict.code for verdict in verdicts[1::10]} == {"checksum_mismatch"}


async def test_five_hundred_cost_as_many_statements_as_one(footage: Footage, place: Place) -> None:
    offers = [footage.offer(number) for number in range(501)]
    for number, offer in enumerate(offers):
        footage.put(offer, number)
    with counted_statements(place.service.services.engine) as one:
        assert await footage.verdicts(offers[500]) == ["stored"]
    with counted_statements(place.service.services.engine) as many:
        assert await footage.verdicts(*offers[:500]) == ["stored"] * 500
    assert len(many) == len(one) <= 6
    with counted_statements(place.service.services.engine) as repeated:
        assert await footage.verdicts(*offers[:500]) == ["stored"] * 500
    assert len(repeated) <= 4
    assert (await place.row("SELECT count(*) AS n FROM segments WHERE state = 'stored'"))["n"] == 501


async def test_more_than_a_batch_is_422_and_none_is_fine(footage: Footage) -> None:
    offers = [footage.offer(number) for number in range(501)]
    response = await footage.recorder.post("segments/offer", json={"segments": offers})
    assert response.status_code == 422
    assert await footage.answers() == []


async def test_an_offer_that_can_not_be_read_is_refused_alone_with_the_reason(footage: Footage) -> None:
    good = footage.offer()
    footage.put(good)
    wrongs: list[dict[str, Any]] = [{"crc32c": "x"}, {"size_bytes": 0}, {"codec": "\0"}, {"packets": 2**63}]
    for wrong in wrongs:
        bad = footage.offer(1, **wrong)
        first, second = await footage.answers(bad, good)
        assert (first["verdict"], first["code"], second["verdict"]) == ("refused", None, "stored")
        assert next(iter(wrong)) in first["reason"]


async def test_of_what_is_no_offer_at_all_the_place_tells_which(footage: Footage) -> None:
    good = footage.offer()
    footage.put(good)
    response = await footage.recorder.post("segments/offer", json={"segments": [{"id": "x"}, good, 5, None]})
    assert response.status_code == 200, response.text
    told = [(answer["id"], answer["verdict"]) for answer in response.json()["segments"]]
    assert told == [(None, "refused"), (good["id"], "stored"), (None, "refused"), (None, "refused")]
