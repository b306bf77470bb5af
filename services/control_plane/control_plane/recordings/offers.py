"""Offered segments: what each is answered, in few statements a batch; none is open while a store works."""

import asyncio
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from camfleet_contract.batches import Unreadable
from camfleet_contract.segments import OfferVerdict, RefusalCode, SegmentOffer, Verdict
from control_plane.recordings.moments import IMPLAUSIBLE, is_plausible
from control_plane.recordings.offer_outcomes import (
    Key,
    Outcome,
    already_stored,
    compared,
    conflicting,
    is_same,
    key_of,
    name_of,
    refused,
    wanted,
)
from control_plane.recordings.offer_rows import Known, OfferRows
from control_plane.security.secrets import SecretBox, SecretUnreadableError
from control_plane.stores import (
    NameTakenError,
    NewUpload,
    OpenedUpload,
    Store,
    StoreUnavailableError,
    UploadsNotBrokeredError,
)

# A recorder waits for its answer: what was not begun by then, it is told to offer again.
BEGIN_WITHIN_SECONDS = 10.0
# Of one batch; a store has a limit of its own for the whole process.
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to decide offers."""

    rows: OfferRows
    store: Store
    secrets: SecretBox


async def decide_offers(
    desk: Desk, client_id: uuid.UUID, offers: Sequence[SegmentOffer | Unreadable], now: datetime
) -> list[OfferVerdict]:
    """Say of each offer, in their order, what the recorder should do; `stored` only after that is committed.

    A segment must belong to a recording that this client registered for that camera. Whether the camera is still
    assigned does not matter then: the footage was wanted when it was recorded, and must not be stranded on the disk.
    """
    # The same offer twice is decided once.
    unique = list(dict.fromkeys(offer for offer in offers if isinstance(offer, SegmentOffer)))
    known = await desk.rows.read_known(client_id, unique)
    outcomes = dict(zip(unique, await _decided(desk, client_id, unique, known, now), strict=True))
    rows = _one_a_segment(outcomes.values())
    taken = await desk.rows.write_outcomes(desk.store.url, client_id, list(rows.values()), known, now)

    def verdict(offer: SegmentOffer | Unreadable) -> OfferVerdict:
        if isinstance(offer, Unreadable):
            return OfferVerdict(id=offer.id, verdict=Verdict.REFUSED, reason=offer.reason)
        outcome = outcomes[offer]
        if not outcome.is_of_a_segment:
            return outcome.verdict
        key = key_of(offer)
        return conflicting(offer).verdict if key in taken or not is_same(offer, rows[key].offer) else outcome.verdict

    return [verdict(offer) for offer in offers]


def _one_a_segment(outcomes: Iterable[Outcome]) -> dict[Key, Outcome]:
    """What is to be written: a statement can't write the same row twice. What the store has counts most."""
    rows: dict[Key, Outcome] = {}
    for outcome in sorted(outcomes, key=lambda outcome: outcome.seen is None):
        if outcome.is_of_a_segment:
            rows.setdefault(key_of(outcome.offer), outcome)
    return rows


async def _decided(
    desk: Desk, client_id: uuid.UUID, offers: Sequence[SegmentOffer], known: Known, now: datetime
) -> list[Outcome]:
    deadline = time.monotonic() + BEGIN_WITHIN_SECONDS
    turns = asyncio.Semaphore(_AT_ONCE)

    async def decided_in_turn(offer: SegmentOffer) -> Outcome:
        if outcome := _decided_by_rows(offer, known):
            return outcome
        async with turns:
            if time.monotonic() > deadline:
                return refused(offer, RefusalCode.STORE_UNAVAILABLE, "the store is slow just now: offer again")
            return await _decided_by_store(desk, client_id, offer, known, now)

    async with asyncio.TaskGroup() as tasks:
        deciding = [tasks.create_task(decided_in_turn(offer)) for offer in offers]
    return [task.result() for task in deciding]


def _decided_by_rows(offer: SegmentOffer, known: Known) -> Outcome | None:
    camera_id = known.cameras_of_recordings.get(offer.recording_id)
    if camera_id is None and offer.camera_id not in known.assigned_cameras:
        return refused(offer, RefusalCode.UNKNOWN_CAMERA, "this camera is not assigned to this client")
    if camera_id != offer.camera_id:
        reason = "this client has registered no such recording of this camera"
        return refused(offer, RefusalCode.UNKNOWN_RECORDING, reason)
    if nonsense := _nonsense(offer):
        return refused(offer, RefusalCode.CONFLICT, nonsense)
    segment = known.segments.get(key_of(offer))
    if segment is not None and not segment.is_offered_as(offer):
        return conflicting(offer)
    return already_stored(offer) if segment is not None and segment.is_stored else None


def _nonsense(offer: SegmentOffer) -> str | None:
    if not is_plausible(offer.start) or not is_plausible(offer.end):
        return f"start and end {IMPLAUSIBLE}"
    if offer.object_name not in {None, name_of(offer)}:
        return f"the object must be named {name_of(offer)}"
    return None


async def _decided_by_store(
    desk: Desk, client_id: uuid.UUID, offer: SegmentOffer, known: Known, now: datetime
) -> Outcome:
    try:
        if offer.object_name is not None:
            return compared(offer, await desk.store.look_up(name_of(offer)))
        upload = known.uploads.get(offer.id)
        if upload is not None:
            # Perhaps uploaded since, by a recorder that lost power before it could note that.
            found = await desk.store.look_up(name_of(offer))
            if found is not None:
                return compared(offer, found)
            is_usable = upload.expires_at > now and not offer.session_gone
            if is_usable and (uri := _decrypted(desk.secrets, upload.uri_encrypted)):
                return wanted(offer, OpenedUpload(uri, upload.expires_at), is_new=False)
        return wanted(offer, await desk.store.open_upload(_new_upload(client_id, offer), now), is_new=True)
    except NameTakenError:
        return await _compared_with_what_is_there(desk, offer)
    except (StoreUnavailableError, UploadsNotBrokeredError) as error:
        return refused(offer, RefusalCode.STORE_UNAVAILABLE, str(error))


async def _compared_with_what_is_there(desk: Desk, offer: SegmentOffer) -> Outcome:
    """It was uploaded, and its session is forgotten since: by an older database that was put back, or after its week.

    What has other bytes is left alone, as whoever put it there is not known.
    """
    try:
        found = await desk.store.look_up(name_of(offer))
    except StoreUnavailableError as error:
        return refused(offer, RefusalCode.STORE_UNAVAILABLE, str(error))
    if found is None:
        return refused(offer, RefusalCode.STORE_UNAVAILABLE, "the object's name was taken a moment ago: offer again")
    return compared(offer, found)


def _new_upload(client_id: uuid.UUID, offer: SegmentOffer) -> NewUpload:
    # Enough to rebuild the database from the bucket.
    metadata = {
        "segment-id": str(offer.id),
        "recording-id": str(offer.recording_id),
        "camera-id": str(offer.camera_id),
        "client-id": str(client_id),
        "start": offer.start.isoformat(),
        "end": offer.end.isoformat(),
        "sha256": offer.sha256,
        "previous-sha256": offer.previous_sha256 or "",
        "recorder-id": str(offer.chain_id or ""),
        "sequence": "" if offer.sequence is None else str(offer.sequence),
        "link-sha256": offer.link_sha256 or "",
        "codec": offer.codec,
        "packets": str(offer.packets),
        "clock-error-seconds": "" if offer.clock_error_seconds is None else str(offer.clock_error_seconds),
    }
    return NewUpload(name_of(offer), offer.size_bytes, offer.crc32c, metadata)


def _decrypted(secrets: SecretBox, sealed: bytes) -> str | None:
    try:
        return secrets.decrypt(sealed)
    except SecretUnreadableError:
        return None  # a new session costs one request
