"""What a file says of itself and of its tracks before any sample: `ftyp` and `moov`."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from recorder.mp4.boxes import box, boxes, full_box, the_box

# `iso6`: the places of samples in a fragment are counted from its own beginning.
_BRANDS = b"isom" + struct.pack(">I", 0x200) + b"isomiso6iso2"
_ALL_TABLES = (b"stts", b"stsc", b"stsz", b"stco")
_LARGEST = 0xFFFF_FFFF
# Where `mvhd` and `mdhd`, and `tkhd`, have their numbers (8.2.2, 8.4.2, 8.3.2) in the version of 32 bits, which is what
# libav writes of an empty file.
_TIMESCALE, _DURATION = 12, 16
_TRACK_ID, _TRACK_DURATION = 12, 20


@dataclass(frozen=True, slots=True)
class Edit:
    """Where a track's own time begins in that of the movie (8.6.6)."""

    delay: int = 0
    """So long after the movie, in ticks of the movie."""
    skipped: int = 0
    """Its first moment that is shown, in its own ticks: the first picture is decoded earlier where there are B-frames.
    """


@dataclass(frozen=True, slots=True)
class TrackHead:
    """One track, as libav describes it."""

    id: int
    timescale: int
    is_sound: bool
    header: bytes
    media_header: bytes
    handler: bytes
    information: tuple[bytes, ...]
    """The boxes before the sample table."""
    descriptions: bytes
    """`stsd`, complete."""

    def box(
        self, tables: Sequence[bytes], *, edit: Edit | None = None, movie_ticks: int = 0, media_ticks: int = 0
    ) -> bytes:
        """The track with these tables; its length in ticks of the movie and of its own."""
        parts = [box(b"tkhd", _with_number(self.header, _TRACK_DURATION, movie_ticks))]
        if edit is not None:
            parts.append(box(b"edts", _edit_list(edit, movie_ticks)))
        table = box(b"stbl", self.descriptions, *tables)
        media = _with_number(_with_number(self.media_header, _TIMESCALE, self.timescale), _DURATION, media_ticks)
        information = box(b"minf", *self.information, table)
        parts.append(box(b"mdia", box(b"mdhd", media), self.handler, information))
        return box(b"trak", *parts)


@dataclass(frozen=True, slots=True)
class Head:
    """A file's head, read from one that libav wrote for the same tracks and without samples."""

    movie: bytes
    tracks: tuple[TrackHead, ...]
    others: tuple[bytes, ...]
    """What else a `moov` has: what the file says of itself."""

    @classmethod
    def read(cls, empty: bytes, timescales: Sequence[int]) -> Self:
        """`empty` is a whole file, `timescales` how its tracks count. ValueError if it makes no sense."""
        moov = the_box(empty, b"moov")
        tracks = [content for kind, content in boxes(moov) if kind == b"trak"]
        others = tuple(box(kind, content) for kind, content in boxes(moov) if kind not in {b"mvhd", b"trak", b"mvex"})
        heads = tuple(_track(content, timescale) for content, timescale in zip(tracks, timescales, strict=True))
        return cls(the_box(moov, b"mvhd"), heads, others)

    def of_fragments(self, skipped: int) -> bytes:
        """The movie before its fragments; of the pictures so many ticks are `skipped`."""
        empty = [full_box(kind, 0, 0, bytes(8 if kind == b"stsz" else 4)) for kind in _ALL_TABLES]
        edit = Edit(skipped=skipped) if skipped else None
        tracks = [track.box(empty, edit=None if track.is_sound else edit) for track in self.tracks]
        defaults = [full_box(b"trex", 0, 0, struct.pack(">5I", each.id, 1, 0, 0, 0)) for each in self.tracks]
        return self._movie(tracks, self.tracks[0].timescale, 0, box(b"mvex", *defaults))

    def of_all(self, tracks: Sequence[bytes], timescale: int, ticks: int) -> bytes:
        """The complete movie. `tracks` are `trak` boxes."""
        return self._movie(tracks, timescale, ticks)

    def _movie(self, tracks: Sequence[bytes], timescale: int, ticks: int, extends: bytes = b"") -> bytes:
        header = _with_number(_with_number(self.movie, _TIMESCALE, timescale), _DURATION, ticks)
        return box(b"moov", box(b"mvhd", header), *tracks, extends, *self.others)


def file_type(head: Head) -> bytes:
    """The file's first box."""
    is_avc = any(b"avc1" in track.descriptions[:24] for track in head.tracks)
    return box(b"ftyp", _BRANDS, b"avc1" if is_avc else b"", b"mp41")


def _track(content: bytes, timescale: int) -> TrackHead:
    header, media = the_box(content, b"tkhd"), the_box(content, b"mdia")
    information = the_box(media, b"minf")
    handler = the_box(media, b"hdlr")
    return TrackHead(
        id=struct.unpack_from(">I", header, _TRACK_ID)[0],
        timescale=timescale,
        is_sound=handler[8:12] == b"soun",
        header=header,
        media_header=the_box(media, b"mdhd"),
        handler=box(b"hdlr", handler),
        information=tuple(box(kind, inner) for kind, inner in boxes(information) if kind != b"stbl"),
        descriptions=box(b"stsd", the_box(information, b"stbl", b"stsd")),
    )


def _edit_list(edit: Edit, movie_ticks: int) -> bytes:
    entries = [(edit.delay, -1)] if edit.delay else []
    entries.append((movie_ticks - edit.delay, edit.skipped))
    return full_box(
        b"elst",
        1,
        0,
        struct.pack(">I", len(entries)),
        *(struct.pack(">QqI", length, begin, 1 << 16) for length, begin in entries),
    )


def _with_number(header: bytes, at: int, number: int) -> bytes:
    """32 bits for a duration are 13 hours of 90 kHz."""
    return header[:at] + struct.pack(">I", min(number, _LARGEST)) + header[at + 4 :]
