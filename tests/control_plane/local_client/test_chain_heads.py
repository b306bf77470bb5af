"""Chain heads: what recorders said of their chains is kept, and never taken back."""

import uuid
from datetime import timedelta
from typing import Any

from uuid_utils.compat import uuid7

from tests.control_plane.local_client.footage import START, Footage
from tests.control_plane.local_client.sites import Place, Recorder

CHAIN = uuid7()


def head(camera_id: uuid.UUID, sequence: int, **more: Any) -> dict[str, Any]:
    return {
        "camera_id": str(camera_id),
        "chain_id": str(CHAIN),
        "sequence": sequence,
        "segment_id": str(uuid7()),
        "sha256": f"{sequence:064x}",
        "link_sha256": f"{sequence + 1000:064x}",
        "waiting_from": sequence + 1,
    } | more


async def beat(recorder: Recorder, *heads: dict[str, Any]) -> None:
    response = await recorder.post("heartbeat", json={"chain_heads": heads})
    assert response.status_code == 200, response.text


async def kept(place: Place) -> list[Any]:
    return await place.rows("SELECT * FROM chain_heads ORDER BY day, sequence")


async def test_a_day_has_one_row_with_the_last_head(footage: Footage, place: Place) -> None:
    for sequence in (1, 2, 3):
        await beat(footage.recorder, head(footage.camera_id, sequence, given_up=sequence))
    (row,) = await kept(place)
    assert (row["client_id"], row["chain_id"]) == (footage.recorder.id, CHAIN)
    assert (row["sequence"], row["link_sha256"], row["waiting_from"], row["given_up"]) == (3, f"{1003:064x}", 4, 3)


async def test_yesterdays_head_stays(footage: Footage, place: Place) -> None:
    await beat(footage.recorder, head(footage.camera_id, 1))
    await place.rows("UPDATE chain_heads SET day = day - 1")
    await beat(footage.recorder, head(footage.camera_id, 2))
    assert [row["sequence"] for row in await kept(place)] == [1, 2]


async def test_a_head_is_neither_taken_back_nor_exchanged(footage: Footage, place: Place) -> None:
    await beat(footage.recorder, head(footage.camera_id, 5))
    await beat(footage.recorder, head(footage.camera_id, 4), head(footage.camera_id, 5, link_sha256="ab" * 32))
    (row,) = await kept(place)
    assert (row["sequence"], row["link_sha256"]) == (5, f"{1005:064x}")


async def test_what_waits_no_more_is_noted_though_nothing_new_was_sealed(footage: Footage, place: Place) -> None:
    await beat(footage.recorder, head(footage.camera_id, 5, waiting_from=2))
    await beat(footage.recorder, head(footage.camera_id, 5, waiting_from=6))
    assert [row["waiting_from"] for row in await kept(place)] == [6]


async def test_nobody_puts_a_head_onto_another_recorders_camera(
    footage: Footage, stranger: Recorder, place: Place
) -> None:
    await beat(stranger, head(footage.camera_id, 99), head(uuid7(), 1))
    assert await kept(place) == []


async def test_a_heartbeat_without_heads_is_as_good_as_ever(recorder: Recorder, place: Place) -> None:
    response = await recorder.post("heartbeat", json={"chain_heads": None})
    assert response.status_code == 200
    assert await kept(place) == []


async def test_heads_do_not_swell_what_is_kept_of_the_heartbeat(footage: Footage, place: Place) -> None:
    await beat(footage.recorder, head(footage.camera_id, 1))
    assert "chain_heads" not in (await place.row("SELECT heartbeat FROM client_contacts"))["heartbeat"]


async def test_an_offer_says_where_in_the_chain_its_segment_is(footage: Footage, place: Place) -> None:
    link = "cd" * 32
    offer = footage.offer(chain_id=str(CHAIN), sequence=7, link_sha256=link)
    footage.put(offer)
    assert await footage.verdicts(offer, footage.offer(1)) == ["stored", "object_missing"]
    rows = await place.rows("SELECT started_at, chain_id, sequence, link_sha256 FROM segments ORDER BY started_at")
    assert [(row["chain_id"], row["sequence"], row["link_sha256"]) for row in rows] == [
        (CHAIN, 7, link),
        (None, None, None),
    ]
    assert rows[1]["started_at"] == START + timedelta(minutes=1)
