"""What writes a segment's samples into its file: our own hand where they are as MP4 has them, libav elsewhere."""

import io
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

import av

from recorder.audio import AudioPolicy, AudioTrack, audio_track
from recorder.growing_file import GrowingFile
from recorder.mp4 import Head, Mp4File
from recorder.samples import Sample, packet_of
from recorder.tracks import Tracks, add_pictures, time_base_of

# Readable up to the last fragment after a crash, a plain MP4 that every player seeks in after a normal close.
# frag_duration plus what the interleaver holds back is what a crash costs: less than a second. Sound that has to be
# encoded comes a quarter of a second after its pictures; they don't wait for it.
MUXING = {
    "movflags": "hybrid_fragmented+delay_moov+frag_keyframe",
    "frag_duration": "500000",
    "flush_packets": "1",
    "max_interleave_delta": "100000",
}
_WRITE_BYTES = 128 << 10
"""Each segment that libav writes keeps a buffer of so much."""
_SOUND_PATIENCE_SECONDS = 0.5
"""How long libav's file waits for sound; with none by then it is without, and the next begins when sound comes."""


class Muxer(Protocol):
    """Takes samples whose times begin with the file. OSError if the disk is full or broken."""

    @property
    def lacks_sound(self) -> bool:
        """Sound came too late for this file."""
        ...

    def write_video(self, sample: Sample) -> None:
        """The next picture, in decoding order. The first is a keyframe."""
        ...

    def write_audio(self, sample: Sample) -> None:
        """The next piece of sound."""
        ...

    def pause(self) -> None:
        """Nothing comes for a while: what waits is written as far as that can be."""
        ...

    def close(self) -> None:
        """Make it a plain MP4."""
        ...

    def give_up(self) -> None:
        """What came is written as far as it can be; the file stays one of fragments, or becomes a plain one."""
        ...


def muxer(file: GrowingFile, tracks: Tracks, parameter_sets: bytes | None, metadata: Mapping[str, str]) -> Muxer:
    """The one that fits. `parameter_sets` are those of the first keyframe, if it brings any."""
    if tracks.is_plain:
        return Mp4File(file, _head(tracks, parameter_sets, metadata))
    return LibavMuxer(file, tracks, parameter_sets, metadata)


def _head(tracks: Tracks, parameter_sets: bytes | None, metadata: Mapping[str, str]) -> Head:
    """The tracks as libav describes them in a file without samples."""
    empty = io.BytesIO()
    timescales = [time_base_of(tracks.video).denominator]
    with av.open(empty, "w", format="mp4", options={"movflags": "empty_moov"}) as output:
        output.metadata.update(metadata)
        add_pictures(output, tracks, parameter_sets)
        if tracks.audio is not None and tracks.policy is not AudioPolicy.NONE:
            audio_track(output, tracks.audio, tracks.policy)
            timescales.append(time_base_of(tracks.audio).denominator)
        output.start_encoding()
    return Head.read(empty.getvalue(), timescales)


class LibavMuxer:
    """Rewrites what needs it: start codes to lengths, and sound that MP4 doesn't hold to AAC."""

    def __init__(
        self, file: GrowingFile, tracks: Tracks, parameter_sets: bytes | None, metadata: Mapping[str, str]
    ) -> None:
        self.lacks_sound = False
        self._tracks = tracks
        self._audio: AudioTrack | None = None
        expects_sound = tracks.audio is not None and tracks.policy is not AudioPolicy.NONE
        self._waiting: list[Sample] | None = [] if expects_sound else None
        """Pictures that came before the first sound."""
        self._first_ticks: int | None = None
        self._patience = _SOUND_PATIENCE_SECONDS / float(time_base_of(tracks.video))
        self._output = av.open(file, mode="w", format="mp4", options=dict(MUXING), buffer_size=_WRITE_BYTES)
        self._output.metadata.update(metadata)
        self._video = add_pictures(self._output, tracks, parameter_sets)

    def write_video(self, sample: Sample) -> None:
        if self._waiting is None:
            self._mux_picture(sample)
            return
        self._waiting.append(sample)
        if self._first_ticks is None:
            self._first_ticks = sample.dts or 0
        if (sample.dts or 0) - self._first_ticks >= self._patience:
            self._stop_waiting()

    def write_audio(self, sample: Sample) -> None:
        if self._waiting is not None and self._tracks.audio is not None:
            self._audio = audio_track(self._output, self._tracks.audio, self._tracks.policy)
            self._stop_waiting()
        if self._audio is None:
            self.lacks_sound = self._tracks.policy is not AudioPolicy.NONE
            return
        for part in self._audio.packets(packet_of(sample)):
            self._output.mux_one(part)

    def pause(self) -> None:
        """Nothing: libav writes when a fragment is full."""

    def close(self) -> None:
        self._stop_waiting()
        with suppress(av.FFmpegError):  # sound that can't be finished
            for part in self._audio.rest() if self._audio else ():
                self._output.mux_one(part)
        self._output.close()

    def give_up(self) -> None:
        with suppress(av.FFmpegError, OSError):
            self._output.close()

    def _mux_picture(self, sample: Sample) -> None:
        packet = packet_of(sample)
        packet.stream = self._video
        self._output.mux_one(packet)

    def _stop_waiting(self) -> None:
        # A sound track without a packet would keep libav from writing anything at all before the segment's end.
        waiting, self._waiting = self._waiting or [], None
        for sample in waiting:
            self._mux_picture(sample)
