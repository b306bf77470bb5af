"""What one connection to a camera contributes: its packets, cut into the segments of the runs that are on."""

from collections.abc import Callable
from datetime import datetime

import structlog

from camfleet_contract.recordings import RecordingStatus
from recorder.audio import AudioPolicy
from recorder.errors import ClockStepped, StreamStalled
from recorder.holes import Holes
from recorder.journal import Journal
from recorder.parameter_sets import parameter_sets
from recorder.preroll import GOP_BYTES, NOTHING_AHEAD, Ahead, PreRoll
from recorder.reordering import reordering_depth
from recorder.samples import Sample
from recorder.segments import SegmentWriter
from recorder.timeline import Timeline
from recorder.tracks import Tracks
from recorder.wanted import Run, run_at

_STAMP_PATIENCE_SECONDS = 0.5
"""How long the first segment waits for a packet that came without waiting itself: its stamp is the true one."""
_AUDIO_PATIENCE_SECONDS = 1.0
"""How long the first segment waits for announced sound. It joins a later segment if it comes later."""

log = structlog.get_logger(__name__)


class Plan:
    """The runs of one camera, and since when each has been known. Replaced as a whole when the schedule changes."""

    def __init__(
        self,
        runs: tuple[Run, ...],
        known_since: Callable[[Run], datetime],
        ahead: Ahead = NOTHING_AHEAD,
        *,
        is_due: bool = True,
    ) -> None:
        """`is_due` is False for a camera that is read only for what may be asked for later."""
        self.runs = runs
        self.known_since = known_since
        self.ahead = ahead
        self.is_due = is_due

    def at(self, moment: datetime) -> Run | None:
        return run_at(self.runs, moment)

    def holds(self, run: Run) -> bool:
        return any(run.key == planned.key for planned in self.runs)


class Take:
    """Fed with packets; writes segments. Not thread-safe: its owner locks."""

    def __init__(self, journal: Journal, tracks: Tracks, arrival: float) -> None:
        self._journal = journal
        self._tracks = tracks
        self._began = arrival
        self._codec = tracks.video.codec_context.name
        self._depth = reordering_depth(self._codec, bytes(tracks.video.codec_context.extradata or b""))
        self._timeline, self._holes = self._new_timeline(), Holes()
        self._preroll = PreRoll()
        self._tally = journal.tally
        if self._tally is not None:
            self._tally.interrupted()
        self._sets: bytes | None = None
        """The parameter sets that the newest keyframe brought."""
        self._sound = None if tracks.policy is AudioPolicy.NONE else tracks.audio
        self._heard = self._sound is None
        self._writer: SegmentWriter | None = None
        self._ended = False

    @property
    def tracks(self) -> Tracks:
        """What it is fed with."""
        return self._tracks

    @property
    def is_recording(self) -> bool:
        return self._writer is not None

    def is_settled(self, now: float) -> bool:
        """Whether stamps don't move any more, whenever packets arrive."""
        return self._timeline.is_settled(now)

    def buffered_since(self, moment: datetime) -> datetime | None:
        """When a recording would begin that is to hold `moment`; None if no packet is kept."""
        if not self._preroll:
            return None
        return self._timeline.stamp(self._preroll.begin_of(self._second_of(moment)))

    def feed(self, packet: Sample, arrival: float, plan: Plan) -> None:
        """The next packet. OSError, sqlite3.Error or DiskMissing if it can't be written."""
        if self._ended:
            return
        is_video = packet.stream_index == self._tracks.video.index
        if is_video and packet.is_keyframe:
            if self._timeline.is_astray(arrival):
                self._begin_anew()
            self._look_at_sets(packet, plan)
        second = self._timeline.place(packet, arrival)
        if not is_video:
            self._heard = True
            if second is not None:
                self._feed_audio(packet, second, plan)
        elif second is not None:
            self._feed_video(packet, second, arrival, plan)

    def pause(self) -> None:
        """What came at once was fed; nothing comes for a while. The errors of `feed`."""
        if self._writer is not None:
            self._writer.pause()

    def cut(self) -> None:
        """What is open is sealed; the next keyframe may begin another segment."""
        self._seal(None)

    def end(self, plan: Plan) -> None:
        """The connection is over: what is open is sealed, and what waited to be opened is kept."""
        if self._ended:
            return
        self._ended = True
        try:
            if self._writer is None and self._preroll and (run := self._kept_run(plan)) is not None:
                self._open(run, plan)  # it broke off sooner than sound or a good stamp came
        finally:
            # Also what a disk refused midway: nobody comes back for it.
            self._seal(None)
            self._preroll.clear()

    def _look_at_sets(self, keyframe: Sample, plan: Plan) -> None:
        sets = parameter_sets(keyframe, self._codec)
        if sets is None or sets == self._sets:
            return
        if self._writer is None and not plan.is_due:
            self._preroll.clear()  # one file holds one resolution
        self._sets = sets
        self._depth = reordering_depth(self._codec, sets)
        self._timeline.expect_reordering(self._depth)

    def _feed_audio(self, packet: Sample, second: float, plan: Plan) -> None:
        if self._writer is not None:
            self._writer.write_audio(packet)
        elif self._preroll:
            self._preroll.keep(packet, second, plan.ahead, begins_gop=False)

    def _feed_video(self, packet: Sample, second: float, arrival: float, plan: Plan) -> None:
        if self._holes.before(second, arrival) and packet.is_keyframe:
            self._break_off(second)
        stamp = self._timeline.stamp(second)
        if self._tally is not None:
            self._tally.frame(packet, stamp, second, self._sets)
        run = plan.at(stamp)
        self._finish_what_is_over(run, second, stamp, plan)
        if self._writer is not None:
            if run is None or not packet.is_keyframe or not self._is_cut(self._writer, run, second):
                self._write(packet, second, stamp)
                return
            self._seal(second)
        self._wait(packet, second, arrival, run, plan)

    def _wait(self, packet: Sample, second: float, arrival: float, run: Run | None, plan: Plan) -> None:
        """Keep the packet until a recording begins, which may be now."""
        if packet.is_keyframe and self._preroll:
            if run is None or self._kept_run(plan) is None:
                self._preroll.forget_before(second - plan.ahead.kept_seconds, second)
            elif self._preroll.size_bytes > GOP_BYTES // 2:
                self._open(run, plan)  # waited for sound, or for the stamps; no longer
                self._write(packet, second, self._timeline.stamp(second))
                return
            # Else all wait together: libav hands over in a burst what came while it looked for announced sound, and
            # stamps taken before its end would be seconds late for as long as the connection lasts.
        if packet.is_keyframe or self._preroll:
            self._preroll.keep(packet, second, plan.ahead, begins_gop=packet.is_keyframe)
        if run is not None and self._preroll and self._is_ready(arrival):
            self._open(run, plan)

    def _is_ready(self, arrival: float) -> bool:
        waited = arrival - self._began
        if not self._timeline.is_sure(arrival):
            return False
        return waited > (_STAMP_PATIENCE_SECONDS if self._heard else _AUDIO_PATIENCE_SECONDS)

    def _kept_run(self, plan: Plan) -> Run | None:
        """The run that owns the newest packet that is kept."""
        return plan.at(self._timeline.stamp(self._preroll.last_second))

    def _second_of(self, moment: datetime) -> float:
        return (moment - self._timeline.stamp(0.0)).total_seconds()

    def _finish_what_is_over(self, run: Run | None, second: float, stamp: datetime, plan: Plan) -> None:
        current = self._journal.run
        if current is None or (run is not None and run.key == current.key):
            return
        if stamp >= current.end:
            if run is None:
                self._seal(second)
                self._journal.finish(current.ends_as)
            # Else another run is on: the footage stays with this one until the next keyframe.
        elif not plan.holds(current):
            # The schedule was changed or removed in the middle of its window.
            self._seal(second)
            self._journal.finish(RecordingStatus.STOPPED)

    def _is_cut(self, writer: SegmentWriter, run: Run, second: float) -> bool:
        current = self._journal.run
        return (
            current is None
            or run.key != current.key
            or second - writer.first_second >= run.segment_seconds - 0.001
            or self._sets != writer.parameter_sets  # the camera was set to another resolution
            or writer.lacks_sound
        )

    def _open(self, run: Run, plan: Plan) -> None:
        self._timeline.settle()
        kept = self._preroll.take_from(self._second_of(max(run.start, plan.known_since(run))))
        first_packet = kept[0][0]
        first_second = float((first_packet.pts or 0) * first_packet.time_base)  # mended since it was kept, perhaps
        start = self._timeline.stamp(first_second)
        recording_id = self._journal.begin(run, plan.known_since(run))
        sets = parameter_sets(first_packet, self._codec) or self._sets
        self._writer = SegmentWriter(
            self._journal.spool, recording_id, self._journal.camera_id, start, first_second, self._tracks, sets
        )
        self._journal.footage_began(self._writer, start)
        for packet, second in kept:
            if packet.stream_index == self._tracks.video.index:
                self._write(packet, second, self._timeline.stamp(second))
            else:
                self._writer.write_audio(packet)

    def _write(self, packet: Sample, second: float, stamp: datetime) -> None:
        if self._writer is not None:
            self._writer.write_video(packet, second)
            self._journal.coverage.footage_until(stamp)

    def _seal(self, next_second: float | None) -> None:
        """`next_second` is where the footage goes on, if it does."""
        writer, self._writer = self._writer, None
        if writer is not None:
            # Where the stream breaks off, its last frame lasts as long as the one before.
            end_second = writer.last_second + self._timeline.frame_seconds if next_second is None else next_second
            start, end = self._timeline.stamp(writer.first_second), self._timeline.stamp(end_second)
            self._journal.coverage.footage_until(end)
            self._journal.seal(writer, start, end, self._timeline.anchor)

    def _break_off(self, second: float) -> None:
        """No pictures came until this one, yet the connection held: that time is missing, and in no segment."""
        if self._writer is None:
            return
        end_second = self._writer.last_second + self._holes.frame_seconds
        self._seal(end_second)
        self._journal.failed(StreamStalled(f"The camera sent no pictures for {second - end_second:.0f} s."))

    def _begin_anew(self) -> None:
        """The stamps are astray: fresh ones from the coming keyframe on, on the same connection."""
        if self._tally is not None:
            self._tally.interrupted()
        log.warning("stamps_astray", camera_id=str(self._journal.camera_id))
        self._seal(None)
        self._preroll.clear()
        if self._journal.run is not None:
            told = "The recorder's clock stepped, or the camera's drifted: stamps begin anew."
            self._journal.failed(ClockStepped(told))
        self._timeline, self._holes = self._new_timeline(), Holes()

    def _new_timeline(self) -> Timeline:
        timeline = Timeline(self._journal.clock, self._tracks.video.index)
        timeline.expect_reordering(self._depth)
        return timeline
