"""Offers segments to the control plane and records what it says of each."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from pydantic import ValidationError

from camfleet_contract.segments import OFFERS_PER_BATCH, OfferVerdict, RefusalCode, SegmentOffer, Verdict, object_name
from recorder.batches import tell_in_parts
from recorder.clock import Clock
from recorder.control_plane import ControlPlane
from recorder.errors import CallRefused
from recorder.spool import Segment, SegmentState, Spool
from recorder.vault import Vault

log = structlog.get_logger(__name__)

SOON = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TOLD_AGAIN = timedelta(minutes=10)
REASONS_TOLD = 5

# When a refused offer is made again. Nothing refused is ever deleted for it.
RETRY_AFTER = {
    RefusalCode.UNKNOWN_RECORDING: SOON,
    RefusalCode.UNKNOWN_CAMERA: HOUR,
    # Not sooner: where both sides look into different stores, every segment comes round again and again.
    RefusalCode.CHECKSUM_MISMATCH: 10 * MINUTE,
    RefusalCode.OBJECT_MISSING: 10 * MINUTE,
    RefusalCode.CONFLICT: DAY,
    RefusalCode.STORE_UNAVAILABLE: MINUTE,
}
UPLOAD_AGAIN = {RefusalCode.CHECKSUM_MISMATCH, RefusalCode.OBJECT_MISSING}


class Offers:
    """Uploaded segments are offered for their proof; brokered ones before, too, for an upload session."""

    def __init__(
        self,
        control_plane: ControlPlane,
        spool: Spool,
        vault: Vault,
        *,
        clock: Clock,
        next_up: Callable[[], list[Segment]] | None,
        newest_first: bool,
        on_session: Callable[[], None],
        on_stored: Callable[[], None],
    ) -> None:
        """`next_up`: what is uploaded next, for a few sessions; None where the recorder uploads by itself.

        As many as can be used soon: sessions expire, and a backlog of days would open thousands.
        """
        self._control_plane = control_plane
        self._spool = spool
        self._vault = vault
        self._clock = clock
        self._next_up = next_up
        self._newest_first = newest_first
        self._on_session = on_session
        self._on_stored = on_stored
        self._told: dict[tuple[RefusalCode | None, str], float] = {}

    async def drain(self) -> bool:
        """One batch; whether there may be more. Raises `ControlPlaneError`, and loses nothing by it."""
        segments = await asyncio.to_thread(self._due, self._clock.now())
        if segments:
            await tell_in_parts(segments, self._tell, self._give_up)
        return bool(segments)

    async def _tell(self, batch: Sequence[Segment]) -> None:
        offers = {segment.id: offer for segment in batch if (offer := await self._as_offer(segment)) is not None}
        answer = await self._control_plane.offer(list(offers.values()))
        verdicts = {verdict.id: verdict for verdict in answer.segments if verdict.id is not None}
        told = [segment for segment in batch if segment.id in offers]
        await asyncio.to_thread(self._record, told, verdicts, self._clock.now())
        if any(verdict.verdict is Verdict.STORED for verdict in answer.segments):
            self._on_stored()
        if any(verdict.upload is not None for verdict in answer.segments):
            self._on_session()

    async def _give_up(self, segment: Segment, refusal: CallRefused) -> None:
        log.warning("segment_refused", segment_id=segment.id, reason=str(refusal))
        await asyncio.to_thread(self._spool.segments.refuse, segment.id, str(refusal), self._clock.now() + HOUR)

    def _due(self, now: datetime) -> list[Segment]:
        spool = self._spool.segments
        finished = spool.uploaded(now, newest_first=self._newest_first, limit=OFFERS_PER_BATCH)
        if self._next_up is None:
            return finished
        new = [segment for segment in self._next_up() if segment.upload_session is None]
        return [*finished, *new][:OFFERS_PER_BATCH]

    async def _as_offer(self, segment: Segment) -> SegmentOffer | None:
        try:
            return offered(segment, self._spool.recorder_id)
        except ValidationError as error:
            # A row that no offer can be made of must not stop the others.
            reason = "; ".join(f"{problem['loc']}: {problem['msg']}" for problem in error.errors(include_input=False))
            log.warning("segment_not_offerable", segment_id=segment.id, reason=reason)
            await asyncio.to_thread(self._spool.segments.refuse, segment.id, reason, self._clock.now() + DAY)
            return None

    def _record(self, batch: Sequence[Segment], verdicts: Mapping[UUID, OfferVerdict], now: datetime) -> None:
        spool = self._spool.segments
        self._tell_refusals(verdicts.values())
        spool.mark_stored([s.id for s in batch if s.id in verdicts and verdicts[s.id].verdict is Verdict.STORED])
        for segment in batch:
            verdict = verdicts.get(segment.id)
            if verdict is None:
                spool.refuse(segment.id, "the control plane gave no verdict", now + MINUTE)
            elif verdict.verdict is Verdict.WANTED:
                self._record_wanted(segment, verdict, now)
            elif verdict.verdict is Verdict.REFUSED:
                self._record_refused(segment, verdict, now)

    def _tell_refusals(self, verdicts: Iterable[OfferVerdict]) -> None:
        """One line a reason, and not again for a while: a store that is away refuses every segment every minute."""
        now = self._clock.monotonic()
        refused = Counter((one.code, one.reason) for one in verdicts if one.verdict is Verdict.REFUSED)
        self._told = {reason: at for reason, at in self._told.items() if now - at < TOLD_AGAIN.total_seconds()}
        for (code, reason), count in refused.most_common(REASONS_TOLD):
            if (code, reason) not in self._told:
                self._told[code, reason] = now
                log.warning("segments_refused", code=code.value if code else None, reason=reason, segments=count)

    def _record_wanted(self, segment: Segment, verdict: OfferVerdict, now: datetime) -> None:
        spool = self._spool.segments
        if self._next_up is None:
            # Uploaded by ourselves, yet the control plane does not find it: another store, or the object went.
            spool.mark_sealed_again(
                segment.id, verdict.reason or "the object is not found in the store", now + 10 * MINUTE
            )
        elif verdict.upload is None:
            spool.refuse(segment.id, verdict.reason or "wanted, but no upload was opened", now + MINUTE)
        else:
            if segment.state is SegmentState.UPLOADED:
                spool.mark_sealed_again(segment.id, "wanted again", now)
            name = verdict.object_name or name_of(segment)
            spool.set_upload_session(segment.id, name, self._vault.lock(verdict.upload.uri.encode()))

    def _record_refused(self, segment: Segment, verdict: OfferVerdict, now: datetime) -> None:
        spool = self._spool.segments
        retry_at = now + (RETRY_AFTER[verdict.code] if verdict.code else HOUR)
        if verdict.code is RefusalCode.UNKNOWN_RECORDING and not self._spool.recordings.mark_unregistered(
            segment.recording_id
        ):
            # Not registered yet, or its registration is refused: offering it every few seconds would help nobody.
            retry_at = now + 5 * MINUTE
        if verdict.code in UPLOAD_AGAIN:
            spool.mark_sealed_again(segment.id, verdict.reason, retry_at)
        else:
            spool.refuse(segment.id, verdict.reason or "refused", retry_at)


def name_of(segment: Segment) -> str:
    """The object's name, the same on both sides."""
    start = segment.sealed.start if segment.sealed else segment.opened_at
    return object_name(segment.camera_id, segment.recording_id, segment.id, start)


def offered(segment: Segment, chain_id: UUID) -> SegmentOffer:
    """A sealed segment as the wire has it."""
    sealed = segment.sealed
    if sealed is None:
        raise ValueError(f"segment {segment.id} is not sealed")
    is_uploaded = segment.state is SegmentState.UPLOADED
    return SegmentOffer(
        id=segment.id,
        recording_id=segment.recording_id,
        camera_id=segment.camera_id,
        start=sealed.start,
        end=sealed.end,
        size_bytes=sealed.size_bytes,
        crc32c=sealed.crc32c,
        sha256=sealed.sha256,
        previous_sha256=segment.previous_sha256,
        chain_id=chain_id if segment.sequence is not None else None,
        sequence=segment.sequence,
        link_sha256=segment.link_sha256,
        codec=sealed.codec,
        packets=sealed.packets,
        clock_error_seconds=sealed.clock_error_seconds,
        object_name=segment.object_name if is_uploaded else None,
        generation=segment.generation if is_uploaded else None,
        # The name stays in the row when its session is forgotten: see `Uploads`.
        session_gone=not is_uploaded and segment.object_name is not None and segment.upload_session is None,
    )
