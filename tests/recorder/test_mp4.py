"""Segments that we write ourselves, beside those that libav writes of the same samples."""

import resource
import signal
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from uuid_utils.compat import uuid7

from recorder.audio import AudioPolicy
from recorder.growing_file import GrowingFile
from recorder.mp4.boxes import box, boxes, the_box
from recorder.mp4.fragments import Run
from recorder.mp4.head import TrackHead
from recorder.mp4.index import TrackIndex
from recorder.muxing import muxer
from recorder.salvage import examined, remuxed
from recorder.samples import PlainSample
from recorder.segments import SegmentWriter
from recorder.spool import Recording, Spool
from recorder.tracks import Tracks
from tests.recorder.footage import make_clip

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """A packet as libav reads it."""

    content: bytes
    pts: Fraction
    dts: Fraction
    duration: Fraction
    is_keyframe: bool


@dataclass(frozen=True, slots=True)
class Demuxed:
    """A file as libav reads it."""

    video: list[Seen]
    sound: list[Seen]
    tags: list[str]
    extradata: list[bytes]
    metadata: dict[str, str]
    sizes: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> "Demuxed":
        seen: dict[str, list[Seen]] = {"video": [], "audio": []}
        with av.open(str(path)) as container:
            for packet in container.demux():
                if packet.size:
                    assert packet.pts is not None
                    assert packet.dts is not None
                    base = packet.time_base
                    times = packet.pts * base, packet.dts * base, (packet.duration or 0) * base
                    seen[packet.stream.type].append(Seen(bytes(packet), *times, packet.is_keyframe))
            video = container.streams.video[0]
            return cls(
                seen["video"],
                seen["audio"],
                [stream.codec_context.codec_tag for stream in container.streams],
                [bytes(stream.codec_context.extradata or b"") for stream in container.streams],
                dict(container.metadata),
                (video.width, video.height),
            )


def samples(clip: Path) -> list[PlainSample]:
    """As our own client would hand them over: in pieces, as they came."""
    found = []
    with av.open(str(clip)) as source:
        for packet in source.demux():
            if packet.size:
                content = bytes(packet)
                sample = PlainSample(
                    [content[at : at + 1400] for at in range(0, len(content), 1400)],
                    len(content),
                    packet.stream_index,
                    packet.time_base,
                    packet.pts or 0,
                    packet.duration or 0,
                    is_keyframe=packet.is_keyframe,
                )
                sample.dts = packet.dts
                found.append(sample)
    return found


@contextmanager
def writing(spool: Spool, clip: Path, content: Iterable[PlainSample], *, is_plain: bool) -> Iterator[SegmentWriter]:
    """A segment that holds this, and isn't sealed yet."""
    recording = Recording(uuid7(), uuid7(), None, "Yard", NOON)
    spool.recordings.begin(recording)
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        audio = source.streams.audio[0] if source.streams.audio else None
        tracks = Tracks(video, audio, AudioPolicy.COPY, is_plain=is_plain)
        writer = SegmentWriter(spool, recording.id, recording.camera_id, NOON, 0.0, tracks)
        write_all(writer, content)
        yield writer


def write_all(writer: SegmentWriter, content: Iterable[PlainSample]) -> None:
    for sample in content:
        if sample.stream_index == 0:
            writer.write_video(sample, float((sample.pts or 0) * sample.time_base))
        else:
            writer.write_audio(sample)


def sealed(spool: Spool, clip: Path, content: Iterable[PlainSample], *, is_plain: bool = True) -> Path:
    with writing(spool, clip, content, is_plain=is_plain) as writer:
        segment = writer.seal(NOON, NOON + timedelta(seconds=4))
    assert segment is not None
    return spool.segments.file(segment)


CLIPS: dict[str, dict[str, object]] = {
    "H.264 and AAC": {},
    "H.264 without sound": {"audio": None},
    "H.265": {"codec": "libx265"},
    "B-frames": {"b_frames": 2},
    "B-frames, without sound": {"b_frames": 3, "audio": None},
    "a picture a second": {"fps": 1, "seconds": 8, "keyframe_every": 4},
    "one GOP": {"keyframe_every": 1000, "seconds": 4},
    "keyframes only": {"keyframe_every": 1},
}


@pytest.mark.parametrize("form", CLIPS)
def test_a_file_of_ours_reads_as_libavs(spool: Spool, tmp_path: Path, form: str) -> None:
    clip = make_clip(tmp_path / "clip.mov", **{"seconds": 3, **CLIPS[form]})  # type: ignore[arg-type]
    ours = Demuxed.of(sealed(spool, clip, samples(clip)))
    theirs = Demuxed.of(sealed(spool, clip, samples(clip), is_plain=False))
    assert any(seen.pts != seen.dts for seen in ours.video) is ("B-frames" in form)
    assert ours.video == theirs.video
    assert ours.sound == theirs.sound
    assert ours.tags == theirs.tags
    assert ours.extradata == theirs.extradata
    assert ours.sizes == theirs.sizes
    assert {**ours.metadata, "comment": ""} == {**theirs.metadata, "comment": ""}


def with_odd_distances(content: list[PlainSample]) -> list[PlainSample]:
    """As of a camera that sends pictures when something moves."""
    for number, sample in enumerate(each for each in content if each.stream_index == 0):
        assert sample.dts is not None
        sample.dts = sample.pts = sample.dts * 3 + number % 7 * 50
    return content


def with_a_keyframe_a_minute(content: list[PlainSample]) -> list[PlainSample]:
    for sample in content:
        if sample.stream_index == 0:
            assert sample.dts is not None
            sample.dts = sample.pts = sample.dts * 15
            sample.duration = (sample.duration or 0) * 15
    return content


def with_sound_that_stops(content: list[PlainSample]) -> list[PlainSample]:
    return [sample for sample in content if sample.stream_index == 0 or second_of(sample) < 1]


def with_sound_that_is_a_little_late(content: list[PlainSample]) -> list[PlainSample]:
    return [sample for sample in content if sample.stream_index == 0 or second_of(sample) >= 0.3]


def second_of(sample: PlainSample) -> float:
    return float((sample.dts or 0) * sample.time_base)


@pytest.mark.parametrize(
    ("change", "keyframe_every"),
    [
        (with_odd_distances, 25),
        (with_a_keyframe_a_minute, 1000),
        (with_sound_that_stops, 25),
        (with_sound_that_is_a_little_late, 25),
    ],
)
def test_odd_times_read_as_libavs(
    spool: Spool, tmp_path: Path, change: Callable[[list[PlainSample]], list[PlainSample]], keyframe_every: int
) -> None:
    clip = make_clip(tmp_path / "clip.mov", seconds=4, keyframe_every=keyframe_every)
    ours = Demuxed.of(sealed(spool, clip, change(samples(clip))))
    theirs = Demuxed.of(sealed(spool, clip, change(samples(clip)), is_plain=False))
    assert ours.video == theirs.video
    assert [seen.content for seen in ours.sound] == [seen.content for seen in theirs.sound]
    for own, libavs in zip(ours.sound, theirs.sound, strict=True):
        # libav counts a movie in milliseconds, also the silence before its sound.
        assert abs(own.pts - libavs.pts) <= Fraction(1, 1000)


@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5, 2.9])
def test_sound_joins_whenever_it_comes_and_begins_at_its_tick(spool: Spool, tmp_path: Path, seconds: float) -> None:
    clip = make_clip(tmp_path / "clip.mov", seconds=3)
    content = [each for each in samples(clip) if each.stream_index == 0 or second_of(each) >= seconds]
    due = [each.dts * each.time_base for each in content if each.stream_index == 1 and each.dts is not None]
    with writing(spool, clip, content, is_plain=True) as writer:
        assert not writer.lacks_sound
        segment = writer.seal(NOON, NOON + timedelta(seconds=3))
    assert segment is not None
    assert [seen.pts for seen in Demuxed.of(spool.segments.file(segment)).sound] == due


def test_announced_sound_that_never_comes_leaves_no_track(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mov", seconds=2)
    pictures = [each for each in samples(clip) if each.stream_index == 0]
    with writing(spool, clip, pictures, is_plain=True) as writer:
        after_a_crash = Demuxed.of(writer.path)
        assert len(after_a_crash.video) >= 35
        segment = writer.seal(NOON, NOON + timedelta(seconds=2))
    assert segment is not None
    whole = Demuxed.of(spool.segments.file(segment))
    assert (len(whole.video), whole.tags) == (50, ["avc1"])


def test_nor_does_it_after_a_crash(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mov", seconds=2)
    pictures = [each for each in samples(clip) if each.stream_index == 0]
    with writing(spool, clip, pictures, is_plain=True) as writer:
        saved = remuxed(writer.path, tmp_path / "saved.mp4", writer.segment)
        writer.discard()
    assert saved is not None
    assert Demuxed.of(tmp_path / "saved.mp4").tags == ["avc1"]


@pytest.mark.parametrize("form", CLIPS)
def test_before_it_is_sealed_it_reads_the_same_by_its_fragments(spool: Spool, tmp_path: Path, form: str) -> None:
    clip = make_clip(tmp_path / "clip.mov", **{"seconds": 3, **CLIPS[form]})  # type: ignore[arg-type]
    with writing(spool, clip, samples(clip), is_plain=True) as writer:
        begun = Demuxed.of(writer.path)
        segment = writer.seal(NOON, NOON + timedelta(seconds=3))
    assert segment is not None
    whole = Demuxed.of(spool.segments.file(segment))
    assert begun.video == whole.video[: len(begun.video)]
    assert begun.sound == whole.sound[: len(begun.sound)]
    last = whole.video[-1].dts
    assert all(seen.dts >= last - Fraction(1, 2) for seen in whole.video[len(begun.video) :])


@pytest.mark.parametrize("form", CLIPS)
def test_in_a_pause_nearly_all_that_came_is_in_the_file(spool: Spool, tmp_path: Path, form: str) -> None:
    clip = make_clip(tmp_path / "clip.mov", **{"seconds": 3, **CLIPS[form]})  # type: ignore[arg-type]
    came: list[PlainSample] = []
    begun: list[tuple[int, Demuxed]] = []
    with writing(spool, clip, [], is_plain=True) as writer:
        for number, sample in enumerate(samples(clip), 1):
            write_all(writer, [sample])
            came += [sample] if sample.stream_index == 0 else []
            if number % 31 == 0 and len(came) > 1:
                writer.pause()
                begun.append((len(came), Demuxed.of(writer.path)))
        segment = writer.seal(NOON, NOON + timedelta(seconds=4))
    assert segment is not None
    whole = Demuxed.of(spool.segments.file(segment)).video
    for count, written in begun:
        assert written.video == whole[: len(written.video)]
        waiting = whole[len(written.video) : count]
        assert not waiting or waiting[-1].dts - waiting[0].dts < Fraction(2, 10), "too short for a fragment"


def test_cut_off_anywhere_it_is_saved_up_to_the_last_whole_fragment(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mov", seconds=2)
    with writing(spool, clip, samples(clip), is_plain=True) as writer:
        begun = writer.path.read_bytes()
        writer.discard()
    all_of_it = [seen.content for seen in Demuxed.of(writer.path).video]
    *_, (kind, moof, mdat), (_, _, end) = top_level(begun)
    assert (kind, end) == (b"moof", len(begun))
    whole, cut_off = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    whole.write_bytes(begun[:moof])
    held = len(Demuxed.of(whole).video)
    assert held > 12
    for cut in (*range(moof, mdat + 9), *range(mdat + 9, end, 211)):
        cut_off.write_bytes(begun[:cut])
        contents = examined(cut_off)
        assert contents is not None, cut
        assert contents.packets >= held, cut
    saved = remuxed(cut_off, tmp_path / "saved.mp4", writer.segment)
    assert saved is not None
    found = [seen.content for seen in Demuxed.of(tmp_path / "saved.mp4").video]
    assert held <= saved.packets == len(found)
    assert found == all_of_it[: len(found)]


@pytest.mark.parametrize("form", CLIPS)
def test_ffmpeg_finds_nothing_wrong_with_it(spool: Spool, tmp_path: Path, form: str) -> None:
    clip = make_clip(tmp_path / "clip.mov", **{"seconds": 3, **CLIPS[form]})  # type: ignore[arg-type]
    path = sealed(spool, clip, samples(clip))
    command = ["ffmpeg", "-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-"]
    assert subprocess.run(command, capture_output=True, timeout=60, text=True, check=True).stderr == ""


def test_its_boxes_add_up_and_no_sample_lies_outside_them(spool: Spool, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mov", seconds=3)
    content = sealed(spool, clip, samples(clip)).read_bytes()
    (_, _, begin), (_, mdat, end), (_, moov, told), _ = top_level(content)
    assert [kind for kind, _, _ in top_level(content)] == [b"ftyp", b"mdat", b"moov", b"uuid"]
    assert (begin, end) == (mdat, moov)
    inside = top_level(content[:moov], mdat + 16)
    assert [kind for kind, _, _ in inside] == [b"moov"] + [b"moof", b"mdat"] * (len(inside) // 2)
    rooms = [range(at + 8, to) for kind, at, to in inside if kind == b"mdat"]
    taken = [place for track in tracks_of(content[moov + 8 : told]) for place in places(track)]
    taken.sort(key=lambda place: place.start)
    assert sum(len(place) for place in taken) == sum(len(room) for room in rooms), "nothing is there that is no sample"
    assert all(before.stop <= after.start for before, after in pairwise(taken))
    assert all(any(at.start in room and at.stop <= room.stop for room in rooms) for at in taken)


def tracks_of(moov: bytes) -> list[bytes]:
    """The sample tables of each track."""
    return [the_box(track, b"mdia", b"minf", b"stbl") for kind, track in boxes(moov) if kind == b"trak"]


def places(table: bytes) -> list[range]:
    """Where the samples are."""
    _, equal, count = struct.unpack_from(">3I", the_box(table, b"stsz"))
    assert not equal
    sizes = list(struct.unpack_from(f">{count}I", the_box(table, b"stsz"), 12))
    offsets = [at for (at,) in struct.iter_unpack(">I", the_box(table, b"stco")[8:])]
    runs = list(struct.iter_unpack(">3I", the_box(table, b"stsc")[8:]))
    found = []
    for number, at in enumerate(offsets, start=1):
        samples_in_it = next(count for first, count, _ in reversed(runs) if first <= number)
        for _ in range(samples_in_it):
            found.append(range(at, at + sizes[0]))
            at += sizes.pop(0)  # noqa: PLW2901  # on to the next sample of the chunk
    assert not sizes
    return found


@pytest.mark.parametrize(("begin", "kind"), [(0, b"stco"), (1 << 32, b"co64"), (1 << 40, b"co64")])
def test_places_beyond_four_gigabytes_are_told(begin: int, kind: bytes) -> None:
    head = TrackHead(1, 90_000, False, bytes(84), bytes(24), box(b"hdlr", bytes(24)), (), box(b"stsd", bytes(8)))
    index = TrackIndex(head)
    for number in range(3):
        times = [7200 * number, 7200 * number + 3600]
        run = Run(1, times[0], [3600, 3600], [100, 50], [], begins_in_sync=number == 0, is_in_sync=False)
        index.add(run, times, begin + 1000 * number)
    ((trak, content),) = boxes(index.box(*index.edit(0, 90_000)))
    assert trak == b"trak"
    told = the_box(content, b"mdia", b"minf", b"stbl", kind)[8:]
    form = ">Q" if kind == b"co64" else ">I"
    assert [at for (at,) in struct.iter_unpack(form, told)] == [begin, begin + 1000, begin + 2000]


def test_the_index_is_on_disk_before_the_head_points_to_it(spool: Spool, tmp_path: Path) -> None:
    """At the one flush the index is there, and yet the file is still read by its fragments, in full."""
    clip, path = make_clip(tmp_path / "clip.mov", seconds=3, audio=None), tmp_path / "segment.mp4.part"
    flushed: list[bytes] = []
    file = GrowingFile(path, flush=lambda _: flushed.append(path.read_bytes()))
    with av.open(str(clip)) as source:
        tracks = Tracks(source.streams.video[0], None, is_plain=True)
        output = muxer(file, tracks, None, {})
    for sample in samples(clip):
        output.write_video(sample)
    assert flushed == []
    output.close()
    file.close()

    [before] = flushed
    after = path.read_bytes()
    assert len(before) == len(after), "the index is there"
    different = [at for at in range(len(after)) if before[at] != after[at]]
    assert different
    assert different[-1] - different[0] < 16, "the head is not, and is changed by one small write"
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(before)
    assert [each.content for each in Demuxed.of(cut).video] == [each.content for each in Demuxed.of(path).video]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_disk_that_is_full_ends_the_segment_and_leaves_its_whole_fragments(
    spool: Spool, tmp_path: Path, at_once: bool
) -> None:
    clip = make_clip(tmp_path / "clip.mov", seconds=6)
    limit = (36 + 16 + 1000) if at_once else 100_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with writing(spool, clip, [], is_plain=True) as writer:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
            with pytest.raises(OSError, match="File too large"):
                write_all(writer, samples(clip))
            # With room again nothing more is written: behind the hole nobody would find it.
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            with pytest.raises(OSError, match="File too large"):
                writer.seal(NOON, NOON + timedelta(seconds=6))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert writer.path.stat().st_size == limit
    saved = remuxed(writer.path, tmp_path / "saved.mp4", writer.segment)
    assert (saved is None) is at_once
    assert saved is None or saved.packets >= 36


def top_level(content: bytes, begin: int = 0) -> list[tuple[bytes, int, int]]:
    """Kind, begin and end of each box; they follow each other without a byte between."""
    found, at = [], begin
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, at + 8)
        found.append((kind, at, at + size))
        at += size
    assert at == len(content)
    return found
