"""What comes over the connection: frames, reports, answers and rubbish, cut anywhere."""

import struct
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.errors import StreamEnded
from recorder.rtsp.h264 import H264
from recorder.rtsp.h265 import H265
from recorder.rtsp.messages import Message
from recorder.rtsp.playing import Playing
from recorder.rtsp.units import AccessUnit
from tests.recorder.rtsp.packets import (
    AUDIO,
    AUDIO_REPORTS,
    AUDIO_TYPE,
    FRAME,
    VIDEO_REPORTS,
    Sender,
    aggregate,
    frame,
    h264_payloads,
    h265_payloads,
    playing,
    prefixed,
)

ANSWER = b"RTSP/1.0 200 OK\r\nCSeq: 7\r\nContent-Length: 3\r\n\r\n$\0\xff"
BYE = struct.pack(">BBHI", 0x81, 203, 1, 7)


def report(seconds: float, time: int) -> bytes:
    return struct.pack(">BBHIQIII", 0x80, 200, 6, 7, int(seconds * (1 << 32)), time, 0, 0)


def aac(*frames: bytes) -> bytes:
    heads = b"".join(struct.pack(">H", len(each) << 3) for each in frames)
    return struct.pack(">H", 16 * len(frames)) + heads + b"".join(frames)


def fed(camera: Playing, data: bytes, cuts: list[int]) -> list[AccessUnit]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [unit for a, b in pairwise(places) for unit in camera.feed(data[a:b])]


@dataclass(frozen=True)
class Stream:
    """What a camera sends, and what it means."""

    data: bytes
    pictures: list[bytes]
    sounds: list[bytes]


content = st.binary(min_size=1, max_size=90).map(lambda data: data.replace(b"\0", b"\1"))


@st.composite
def streams(draw: st.DrawFn, kind: type[H264 | H265]) -> Stream:
    """Pictures of up to four slices in packets of any size, with sound, reports and answers in between."""
    is_h264 = kind is H264
    payloads, head = (h264_payloads, b"\x78") if is_h264 else (h265_payloads, b"\x60\x01")
    first, other = (b"\x41\x80", b"\x41\x00") if is_h264 else (b"\x02\x01\x80", b"\x02\x01\x00")
    sei = b"\x06\x05\x01\x02\x80" if is_h264 else b"\x4e\x01\x05\x01\x80"
    limit = draw(st.integers(1, 60))
    video = Sender(sequence=draw(st.integers(0, 65_535)), extras=iter(draw(st.lists(flags, max_size=50))))
    audio = Sender(AUDIO, AUDIO_TYPE, 0)
    between = st.sampled_from([b"", b"", ANSWER, b"\r\n", frame(VIDEO_REPORTS, report(1.0, 5)), frame(9, b"$$$")])
    out, pictures, sounds = b"", [], []
    for number in range(draw(st.integers(1, 15))):
        slices = [first + draw(content), *(other + rest for rest in draw(st.lists(content, max_size=3)))]
        units = [sei, *slices] if draw(st.booleans()) else slices
        pictures.append(prefixed(*units))
        parts = (
            [aggregate(units, head)] if draw(st.booleans()) else [p for unit in units for p in payloads(unit, limit)]
        )
        for part in parts:
            out += video.packet(part, number * FRAME, marker=part is parts[-1]) + draw(between)
        frames = draw(st.lists(content, max_size=3))
        if frames:
            out += audio.packet(aac(*frames), number * 1024, marker=True)
            sounds += frames
    out += video.packet(first + b"end", (1 << 20) * FRAME)
    return Stream(out, pictures, sounds)


flags = st.sampled_from([0, 0, 0, 0x10, 0x20, 0x01, 0x3F])
cuts = st.lists(st.integers(min_value=0), max_size=20)


@given(streams(H264), cuts)
def test_h264_comes_out_the_same_however_it_is_cut(stream: Stream, places: list[int]) -> None:
    units = fed(playing(H264), stream.data, places)
    assert [unit.data for unit in units if unit.is_video] == stream.pictures
    assert [unit.data for unit in units if not unit.is_video] == stream.sounds
    assert not any(unit.is_damaged for unit in units)


@given(streams(H265), cuts)
def test_h265_comes_out_the_same_however_it_is_cut(stream: Stream, places: list[int]) -> None:
    units = fed(playing(H265), stream.data, places)
    assert [unit.data for unit in units if unit.is_video] == stream.pictures
    assert [unit.data for unit in units if not unit.is_video] == stream.sounds


def holds_nal_units(data: bytes) -> bool:
    at = 0
    while at < len(data):
        at += 4 + int.from_bytes(data[at : at + 4], "big")
    return at == len(data)


@settings(max_examples=200)
@given(
    st.one_of(streams(H264), streams(H265)),
    st.lists(st.tuples(st.integers(min_value=0), st.integers(0, 300), st.binary(max_size=30)), max_size=8),
    cuts,
    st.sampled_from([H264, H265]),
)
def test_whatever_comes_ends_in_units_or_in_our_own_words(
    stream: Stream, changes: list[tuple[int, int, bytes]], places: list[int], kind: type[H264 | H265]
) -> None:
    data = stream.data
    for place, length, new in changes:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + length :]
    camera = playing(kind)
    units = fed(camera, data, places)
    assert all(holds_nal_units(unit.data) for unit in units if unit.is_video)


@given(st.binary(max_size=2000), cuts)
def test_rubbish_is_no_stream(data: bytes, places: list[int]) -> None:
    assert fed(playing(), data, places) == []


def test_answers_in_between_are_heard() -> None:
    heard: list[Message] = []
    camera, sender = playing(heard=heard), Sender()
    data = sender.packet(b"\x41\x80", 0) + ANSWER + sender.packet(b"\x41\x80", FRAME)
    assert [unit.data for unit in camera.feed(data)] == [prefixed(b"\x41\x80")]
    assert [(message.status, message.body) for message in heard] == [(200, b"$\0\xff")]


def test_after_rubbish_the_stream_goes_on() -> None:
    camera, sender = playing(), Sender()
    packets = [sender.packet(b"\x41\x80" + b"p" * 50, number * FRAME) for number in range(6)]
    packets[2] = packets[2][30:]
    units = camera.feed(b"".join(packets))
    assert [unit.ticks // FRAME for unit in units] == [0, 1, 3, 4]
    assert [unit.is_damaged for unit in units] == [False, True, False, False]


def test_a_camera_that_sends_only_rubbish_is_left() -> None:
    camera = playing()
    fed(camera, b"\xff" * 5_000_000, list(range(0, 5_000_000, 50_000)))
    assert isinstance(camera.end, StreamEnded)


def test_a_head_that_never_ends_is_rubbish() -> None:
    camera = playing()
    fed(camera, b"RTSP/1.0 200 OK " * 100_000, list(range(0, 1_600_000, 1000)))
    assert isinstance(camera.end, StreamEnded)


def test_a_stream_is_over_when_all_tracks_said_good_bye() -> None:
    camera, sender = playing(), Sender()
    assert camera.feed(frame(VIDEO_REPORTS, report(1, 1) + BYE)) == []
    last = b"".join(sender.packet(b"\x41\x80", number * FRAME) for number in range(3))
    assert len(camera.feed(last + frame(AUDIO_REPORTS, BYE) + last)) == 2, "what came before the end is not lost"
    assert isinstance(camera.end, StreamEnded)
    assert camera.feed(last) == []


def test_sound_is_brought_to_where_the_camera_says_that_it_was() -> None:
    camera, video, audio = playing(), Sender(), Sender(AUDIO, AUDIO_TYPE)

    def sound(time: int) -> int:
        return next(unit.ticks for unit in camera.feed(audio.packet(aac(b"s"), time)) if not unit.is_video)

    for number in range(3):
        camera.feed(video.packet(b"\x41\x80", 5000 + number * FRAME))
    assert sound(70_000) == 640, "for now it is taken to have been when the newest picture was"
    # Second 100 was at the first picture, and half a second before the first sound.
    camera.feed(frame(VIDEO_REPORTS, report(100, 5000)) + frame(AUDIO_REPORTS, report(100, 62_000)))
    assert sound(71_024) == 8000 + 1024
    # What nobody hears is left alone, and what can't be is not believed.
    camera.feed(frame(AUDIO_REPORTS, report(100.01, 62_000)))
    assert sound(72_048) == 8000 + 2048
    for seconds in (1e6, 102):
        camera.feed(frame(AUDIO_REPORTS, report(seconds, 62_000)))
    assert sound(73_072) == 8000 + 3072
    camera.feed(frame(AUDIO_REPORTS, report(99.75, 62_000)))
    assert sound(74_096) == 8000 + 4096 - 4000


def test_a_frame_of_sound_may_come_in_pieces() -> None:
    camera, sender = playing(), Sender(AUDIO, AUDIO_TYPE)
    head = struct.pack(">HH", 16, 10 << 3)
    data = b"".join(sender.packet(head + piece, 0) for piece in (b"abcd", b"efgh", b"ij"))
    assert [unit.data for unit in camera.feed(data)] == [b"abcdefghij"]
    lost = sender.packet(head + b"abcd", 1024)
    sender.packet(head + b"efgh", 1024)
    assert camera.feed(lost + sender.packet(head + b"ij", 1024)) == []
    assert camera.damaged == 1


@pytest.mark.parametrize(
    "payload", [b"\0", b"\0\0a", b"\xff\xff\0", aac(b"ab", b"cdef")[:-1], struct.pack(">HH", 16, 0)]
)
def test_sound_that_cannot_be_read_is_left_out(payload: bytes) -> None:
    camera, sender = playing(), Sender(AUDIO, AUDIO_TYPE)
    units = camera.feed(sender.packet(payload, 0) + sender.packet(aac(b"good"), 1024))
    assert units[-1].data == b"good"
    assert all(unit.data in {b"ab", b"good"} for unit in units)


def test_several_frames_of_sound_in_a_packet_follow_one_another() -> None:
    camera, sender = playing(), Sender(AUDIO, AUDIO_TYPE)
    units = camera.feed(sender.packet(aac(b"a", b"b", b"c"), 5))
    assert [(unit.data, unit.ticks) for unit in units] == [(b"a", 0), (b"b", 1024), (b"c", 2048)]


def test_only_what_is_whole_comes_out_even_byte_by_byte() -> None:
    camera, sender = playing(), Sender()
    data = b"".join(sender.packet(b"\x41\x80" + bytes([1]) * 70, number * FRAME) for number in range(3))
    units = [unit for at in range(len(data)) for unit in camera.feed(data[at : at + 1])]
    assert [unit.ticks // FRAME for unit in units] == [0, 1]


@pytest.mark.parametrize("read_bytes", [1399, 1400, 1418, 65_535, 65_536, 192 << 10, 1 << 30])
@pytest.mark.parametrize("limit", [1400, 60_000])
def test_a_keyframe_that_is_larger_than_what_is_read_at_once_comes_out_whole(read_bytes: int, limit: int) -> None:
    camera, video, audio = playing(), Sender(), Sender(AUDIO, AUDIO_TYPE)
    body = bytes(range(1, 256)) * 2000
    expected, data = [], b""
    for number in range(12):
        unit = (b"\x65\x88" if number % 6 == 0 else b"\x41\x9a") + body[
            number : len(body) // (1 + 9 * (number % 6 > 0))
        ]
        parts = h264_payloads(unit, limit)
        data += b"".join(video.packet(part, number * FRAME, marker=part is parts[-1]) for part in parts)
        data += audio.packet(aac(b"s" * (1 + number)), number * 1024, marker=True)
        expected.append(prefixed(unit))
    units = fed(camera, data, list(range(0, len(data), read_bytes)))
    got = [unit for unit in units if unit.is_video]
    assert [unit.data for unit in got] == expected[: len(got)]
    assert len(got) >= 11
    assert [unit.size_bytes for unit in got] == [len(unit.data) for unit in got]
    assert [unit.data for unit in units if not unit.is_video] == [b"s" * (1 + number) for number in range(12)]
    assert not any(unit.is_damaged for unit in units)


def test_sound_after_lost_sound_is_told_and_kept() -> None:
    camera, sender = playing(), Sender(AUDIO, AUDIO_TYPE)
    packets = [sender.packet(aac(bytes((number,))), number * 1024, marker=True) for number in range(6)]
    units = camera.feed(b"".join(packets[:2] + packets[3:]))
    assert [(unit.data, unit.ticks, unit.is_damaged) for unit in units] == [
        (bytes((number,)), number * 1024, number == 3) for number in (0, 1, 3, 4, 5)
    ]
    assert camera.damaged == 1
