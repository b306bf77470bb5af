"""A file that grows fragment by fragment and ends as a plain MP4.

    ftyp | free | moov without samples | moof, mdat | moof, mdat ...        while it grows
    ftyp | mdat around all that was behind it                        | moov   when it is complete

After a crash it is read by its fragments. Closing it writes the complete `moov` behind them first, and then makes the
16 bytes of `free` the header of an `mdat` that hides what only a file without index needs.
"""

from contextlib import suppress
from operator import sub

from recorder.growing_file import GrowingFile
from recorder.mp4.boxes import LARGE_HEADER_BYTES, box, large_header
from recorder.mp4.fragments import Run, fragment
from recorder.mp4.head import Head, file_type
from recorder.mp4.index import TrackIndex
from recorder.samples import Bytes, Sample, pieces_of

_SHORTEST_SECONDS = 0.2
"""Less isn't written in a pause: each fragment costs a flush of the disk. What a round of the reader brings is more."""
_LONGEST_SECONDS = 0.75
"""Without a pause, as of what comes late all at once."""
_PATIENCE_SECONDS = 0.75
"""Sound writes a fragment, too, when pictures are further apart than that."""


class Mp4File:
    """Pictures in one track, and sound perhaps in another. Times are those of the samples, from the file's beginning.

    The first sample is a keyframe. OSError from any call if the disk is full or broken, then and ever after.
    """

    lacks_sound = False
    """Whenever it comes, it goes into the same file."""

    def __init__(self, file: GrowingFile, head: Head) -> None:
        self._file, self._head = file, head
        self._video, self._sound = head.tracks[0], head.tracks[1] if len(head.tracks) > 1 else None
        self._indexes = tuple(TrackIndex(track) for track in head.tracks)
        self._pictures: list[Sample] = []
        """Those of the fragment that isn't written yet."""
        self._sounds: list[Sample] = []
        self._began = self._sound_began = 0
        """The decoding time of its first picture, and of its first piece of sound."""
        self._shortest = round(_SHORTEST_SECONDS * self._video.timescale)
        self._longest = round(_LONGEST_SECONDS * self._video.timescale)
        self._longest_sound = round(_PATIENCE_SECONDS * self._sound.timescale) if self._sound is not None else 0
        self._begin: int | None = None
        """The decoding time of the file's first picture."""
        self._skipped = 0
        self._fragments = 0
        self._mdat_at = 0
        self._end = 0

    def write_video(self, picture: Sample) -> None:
        """The next in order of decoding."""
        time = picture.dts or 0
        if not self._pictures:
            self._began = time
        elif picture.is_keyframe or time - self._began >= self._longest:
            self._flush(time)
            self._began = time
        self._pictures.append(picture)

    def write_audio(self, sound: Sample) -> None:
        """The next piece, whenever it comes; nothing where none is wanted."""
        if self._sound is None:
            return
        time = sound.dts or 0
        if not self._sounds:
            self._sound_began = time
        elif time - self._sound_began >= self._longest_sound:
            self._flush(None)
            self._sound_began = time
        self._sounds.append(sound)

    def pause(self) -> None:
        """Nothing comes for a while: what waits is written, but for the newest picture, whose length isn't known."""
        if len(self._pictures) > 1 and (self._pictures[-1].dts or 0) - self._began >= self._shortest:
            newest = self._pictures.pop()
            self._flush(newest.dts or 0)
            self._pictures, self._began = [newest], newest.dts or 0

    def give_up(self) -> None:
        """What came is written if it can be, and the file stays one of fragments."""
        with suppress(OSError):
            self._flush(None)

    def close(self) -> None:
        """Make it a plain MP4. Its descriptor stays open."""
        self._flush(None)
        if self._file.failure is not None:
            raise self._file.failure  # with what it refused the file would look whole
        used = [index for index in self._indexes if index]
        timescale = used[-1].head.timescale  # that of sound if there is any: it begins at its very tick
        edits = [index.edit(self._skipped, timescale) for index in used]
        tracks = [index.box(edit, ticks) for index, (edit, ticks) in zip(used, edits, strict=True)]
        movie = self._head.of_all(tracks, timescale, max(ticks for _, ticks in edits))
        self._file.write_all([movie], len(movie))
        self._file.patch(self._mdat_at, large_header(b"mdat", self._end - self._mdat_at))

    def _flush(self, next_time: int | None) -> None:
        """Write what came as a fragment; the next picture is decoded at `next_time`, if that is known."""
        pictures, sounds = self._pictures, self._sounds
        if not pictures and not sounds:
            return
        self._pictures, self._sounds = [], []
        before = self._head_before(pictures) if self._begin is None else b""
        runs: list[tuple[TrackIndex, Run, list[int]]] = []
        if pictures:
            runs.append(self._run(self._indexes[0], pictures, self._begin or 0, next_time))
        if sounds:
            runs.append(self._run(self._indexes[1], sounds, 0, None))
        self._fragments += 1
        head = fragment(self._fragments, [run for _, run, _ in runs])
        content: list[Bytes] = [before + head]
        for sample in pictures:
            content += pieces_of(sample)
        for sample in sounds:
            content += pieces_of(sample)
        place = self._end + len(content[0])
        end = place + sum(run.size_bytes for _, run, _ in runs)
        self._file.write_all(content, end - self._end)
        self._end = end
        for index, run, times in runs:
            index.add(run, times, place)
            place += run.size_bytes

    def _head_before(self, pictures: list[Sample]) -> bytes:
        """All that stands before the first fragment; how long before it is shown a picture is decoded, is known now."""
        first = pictures[0]
        self._begin = first.dts or 0
        self._skipped = (first.pts or 0) - self._begin
        kind = file_type(self._head)
        self._mdat_at = len(kind)
        room = box(b"free", bytes(LARGE_HEADER_BYTES - 8))
        return kind + room + self._head.of_fragments(self._skipped)

    def _run(
        self, index: TrackIndex, samples: list[Sample], origin: int, next_time: int | None
    ) -> tuple[TrackIndex, Run, list[int]]:
        times = [(sample.dts or 0) - origin for sample in samples]
        last = samples[-1]
        durations = list(map(sub, times[1:], times))
        if next_time is not None:
            durations.append(next_time - origin - times[-1])
        else:
            durations.append(last.duration or (durations[-1] if durations else 0))
        sizes = [sample.size for sample in samples]
        is_sound = index.head.is_sound
        shifts = [] if is_sound else [(sample.pts or 0) - (sample.dts or 0) for sample in samples]
        run = Run(
            track=index.head.id,
            begin=times[0],
            durations=durations,
            sizes=sizes,
            shifts=shifts if any(shifts) else [],
            begins_in_sync=not is_sound and samples[0].is_keyframe,
            is_in_sync=is_sound,
        )
        return index, run, times
