"""Segments of a recorder without cloud credentials: the control plane opens each upload for it."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from control_plane.recordings.offer_rows import delete_expired_uploads
from control_plane.settings import Settings
from tests.control_plane.local_client.footage import Footage
from tests.control_plane.local_client.sites import Place, Recorder
from tests.recorder.gcs import Gcs


@pytest.fixture
def settings(settings: Settings, gcs: Gcs, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs.root)
    gcs.needs_token = False
    return settings.model_copy(update={"storage_url": f"gs://{gcs.bucket}"})


async def send(uri: str, content: bytes) -> int:
    headers = {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"}
    async with httpx.AsyncClient() as http:
        return (await http.put(uri, content=content, headers=headers)).status_code


def uploaded(offer: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return offer | {"object_name": answer["object_name"], "generation": 1}


async def test_the_configuration_says_that_uploads_are_brokered(recorder: Recorder, gcs: Gcs) -> None:
    storage = (await recorder.get("config")).json()["storage"]
    assert storage == {"mode": "brokered", "url": f"gs://{gcs.bucket}"}


async def test_offered_wanted_uploaded_offered_again_stored(footage: Footage, place: Place, gcs: Gcs) -> None:
    offer = footage.offer(uploaded=False)
    (wanted,) = await footage.answers(offer)
    assert wanted["verdict"] == "wanted"
    assert (await place.row("SELECT state FROM segments"))["state"] == "offered"
    assert await send(wanted["upload"]["uri"], footage.content(0)) == 200
    (stored,) = await footage.answers(uploaded(offer, wanted))
    assert (stored["verdict"], stored["object_name"]) == ("stored", wanted["object_name"])
    row = await place.row("SELECT state, generation, object_name FROM segments")
    assert (row["state"], str(row["generation"])) == ("stored", gcs.objects[row["object_name"]]["generation"])
    assert await place.rows("SELECT segment_id FROM upload_sessions") == []


async def test_a_session_is_opened_once_and_kept_encrypted(footage: Footage, place: Place, gcs: Gcs) -> None:
    offers = [footage.offer(number, uploaded=False) for number in range(5)]
    first, again = [await footage.answers(*offers) for _ in range(2)]
    assert first == again
    assert gcs.opened == 5
    kept = await place.rows("SELECT uri_encrypted FROM upload_sessions")
    assert len(kept) == 5
    assert not any(b"session" in row["uri_encrypted"] for row in kept)


@pytest.mark.parametrize("end", ["expires_at = now() - interval '1 second'", "uri_encrypted = 'unreadable'"])
async def test_a_session_that_can_not_be_used_any_more_is_replaced(
    footage: Footage, place: Place, gcs: Gcs, end: str
) -> None:
    offer = footage.offer(uploaded=False)
    (first,) = await footage.answers(offer)
    await place.rows(f"UPDATE upload_sessions SET {end}")  # noqa: S608 - from the list above
    (second,) = await footage.answers(offer)
    assert second["upload"]["uri"] != first["upload"]["uri"]
    assert gcs.opened == 2


async def test_a_session_that_the_bucket_has_closed_is_replaced(footage: Footage, gcs: Gcs) -> None:
    offer = footage.offer(uploaded=False)
    (first,) = await footage.answers(offer)
    gcs.sessions.clear()
    (second,) = await footage.answers(offer | {"session_gone": True})
    assert second["upload"]["uri"] != first["upload"]["uri"]
    assert await send(second["upload"]["uri"], footage.content(0)) == 200
    assert await footage.verdicts(uploaded(offer, second)) == ["stored"]


async def test_expired_sessions_are_forgotten_in_time(footage: Footage, place: Place) -> None:
    await footage.answers(footage.offer(0, uploaded=False))
    await place.rows("UPDATE upload_sessions SET expires_at = now() - interval '1 second'")
    await footage.answers(footage.offer(1, uploaded=False))
    async with place.service.services.engine.begin() as connection:
        await delete_expired_uploads(connection, datetime.now(UTC))
    assert len(await place.rows("SELECT segment_id FROM upload_sessions")) == 1


async def test_what_was_uploaded_without_being_noted_is_stored_at_once(
    footage: Footage, place: Place, gcs: Gcs
) -> None:
    offer = footage.offer(uploaded=False)
    (wanted,) = await footage.answers(offer)
    await send(wanted["upload"]["uri"], footage.content(0))
    assert await footage.verdicts(offer) == ["stored"]
    assert (await place.row("SELECT state FROM segments"))["state"] == "stored"


async def test_what_was_uploaded_and_whose_session_is_forgotten_is_stored_all_the_same(
    footage: Footage, place: Place, gcs: Gcs
) -> None:
    offer = footage.offer(uploaded=False)
    (wanted,) = await footage.answers(offer)
    await send(wanted["upload"]["uri"], footage.content(0))
    await place.rows("DELETE FROM upload_sessions")
    await place.rows("DELETE FROM segments")
    assert await footage.verdicts(offer) == ["stored"]
    assert (await place.row("SELECT state FROM segments"))["state"] == "stored"
    assert gcs.opened == 1


async def test_a_name_that_is_taken_by_other_bytes_is_told_and_left_alone(footage: Footage, gcs: Gcs) -> None:
    offer, other = footage.offer(), footage.content(1)
    name = str(offer["object_name"])
    gcs._store(name, other, footage.offer(1)["crc32c"], {"name": name, "contentType": "video/mp4"})
    assert await footage.verdicts(offer | {"object_name": None, "generation": None}) == ["checksum_mismatch"]
    assert gcs.bodies[name] == other


async def test_an_upload_that_was_only_claimed_is_not_stored(footage: Footage) -> None:
    offer = footage.offer(uploaded=False)
    (wanted,) = await footage.answers(offer)
    assert await footage.verdicts(uploaded(offer, wanted)) == ["object_missing"]


async def test_other_bytes_never_become_the_object(footage: Footage) -> None:
    offer = footage.offer(uploaded=False)
    (wanted,) = await footage.answers(offer)
    assert await send(wanted["upload"]["uri"], footage.content(0)[::-1]) == 400
    assert await footage.verdicts(uploaded(offer, wanted)) == ["object_missing"]


async def test_the_same_segment_twice_in_a_batch_with_and_without_its_object(footage: Footage) -> None:
    offer = footage.offer(uploaded=False)
    (wanted,) = await footage.answers(offer)
    await send(wanted["upload"]["uri"], footage.content(0))
    assert await footage.verdicts(offer, uploaded(offer, wanted), offer) == ["stored"] * 3


async def test_one_id_at_two_starts_breaks_nothing(footage: Footage) -> None:
    offer = footage.offer(uploaded=False)
    moved = offer | {"start": "2026-03-01T19:59:00Z"}
    assert await footage.verdicts(offer, moved) == ["wanted", "wanted"]


async def test_a_bucket_that_is_down_refuses_for_now_and_tells_no_secret(footage: Footage, gcs: Gcs) -> None:
    gcs.needs_token = True
    (answer,) = await footage.answers(footage.offer(uploaded=False))
    assert answer["code"] == "store_unavailable"
    gcs.needs_token = False
    assert await footage.verdicts(footage.offer(uploaded=False)) == ["wanted"]
