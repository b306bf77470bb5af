"""NAL units in RTP packets, and the access units that come out."""

import pytest

from recorder.rtsp.h265 import H265
from recorder.rtsp.units import AccessUnit
from tests.recorder.rtsp.packets import (
    FRAME,
    Sender,
    access_unit,
    aggregate,
    h264_payloads,
    h265_payloads,
    in_one_piece,
    playing,
    prefixed,
)

SPS, PPS = b"\x67\x42\x00\x1e\xaa", b"\x68\xce\x3c"
SEI, AUD = b"\x06\x05\x01\x2a\x80", b"\x09\xf0"
RECOVERY = b"\x06\x05\x01\x2a\x06\x01\xc4\x80"
IDR, IDR_REST = b"\x65\x88" + b"i" * 50, b"\x65\x22" + b"j" * 50
PICTURE, PICTURE_REST = b"\x41\x9a" + b"p" * 30, b"\x41\x2a" + b"q" * 30
FILLER = b"\x0c\xff\xff\x80"

VPS_5, SPS_5, PPS_5 = b"\x40\x01\x0c\x01", b"\x42\x01\x01\x01\x60", b"\x44\x01\xc0"
IDR_5, CRA_5 = b"\x26\x01\xaf" + b"i" * 50, b"\x2a\x01\xaf" + b"c" * 50
PICTURE_5, PICTURE_5_REST = b"\x02\x01\xd0" + b"p" * 30, b"\x02\x01\x50" + b"q" * 30
SUFFIX_5 = b"\x50\x01\x05\x80"


class Camera:
    """Sends NAL units at times of its choice; remembers what came out."""

    def __init__(self, limit: int = 20, *, is_h265: bool = False) -> None:
        self.sender = Sender()
        self._playing = playing(H265) if is_h265 else playing()
        self._payloads = h265_payloads if is_h265 else h264_payloads
        self._limit = limit
        self.units: list[AccessUnit] = []

    def send(self, *units: bytes, time: int, marker: bool = True) -> list[AccessUnit]:
        """The units of one picture, the marker on the last packet; what they brought out."""
        payloads = [payload for unit in units for payload in self._payloads(unit, self._limit)]
        packets = [self.sender.packet(payload, time, marker=marker and payload is payloads[-1]) for payload in payloads]
        return self.feed(b"".join(packets))

    def feed(self, data: bytes) -> list[AccessUnit]:
        came = self._playing.feed(data)
        self.units += came
        return came

    @property
    def data(self) -> list[bytes]:
        return [unit.data for unit in self.units]

    @property
    def damaged(self) -> int:
        return self._playing.damaged

    def prove(self) -> None:
        """Set so many markers rightly that they are believed."""
        for number in range(-20, 0):
            self.send(PICTURE, time=number * FRAME)
        self.units.clear()


def test_a_picture_is_complete_when_the_next_begins() -> None:
    camera = Camera()
    assert camera.send(SPS, PPS, IDR, time=0) == []
    assert in_one_piece(camera.send(PICTURE, time=FRAME)) == [
        access_unit(prefixed(SPS, PPS, IDR), 0, (SPS, PPS), is_keyframe=True)
    ]
    assert in_one_piece(camera.send(PICTURE, time=2 * FRAME)) == [access_unit(prefixed(PICTURE), FRAME)]


def test_a_marker_that_was_right_for_a_while_is_believed() -> None:
    camera = Camera()
    camera.prove()
    assert [unit.data for unit in camera.send(PICTURE, time=0)] == [prefixed(PICTURE)]
    assert [unit.data for unit in camera.send(SPS, PPS, IDR, IDR_REST, time=FRAME)] == [
        prefixed(SPS, PPS, IDR, IDR_REST)
    ]


def test_markers_are_believed_although_the_time_stands_still() -> None:
    camera = Camera()
    for _ in range(10):
        camera.send(PICTURE, time=5)
    assert camera.data == [prefixed(PICTURE)] * 10
    assert {unit.ticks for unit in camera.units} == {0}


def test_without_markers_nothing_is_lost() -> None:
    camera = Camera()
    for number in range(20):
        camera.send(PICTURE, PICTURE_REST, time=number * FRAME, marker=False)
    assert camera.data == [prefixed(PICTURE, PICTURE_REST)] * 19


def test_a_marker_after_every_slice_is_never_believed() -> None:
    camera = Camera()
    for number in range(30):
        for unit in (PICTURE, PICTURE_REST, PICTURE_REST):
            camera.send(unit, time=number * FRAME)
    assert camera.data == [prefixed(PICTURE, PICTURE_REST, PICTURE_REST)] * 29


def test_markers_that_were_right_and_begin_to_lie_cost_one_picture() -> None:
    camera = Camera()
    camera.prove()
    for number in range(5):
        camera.send(PICTURE, time=number * FRAME)
        camera.send(PICTURE_REST, time=number * FRAME)
    assert camera.data == [prefixed(PICTURE), prefixed(PICTURE_REST)] + [prefixed(PICTURE, PICTURE_REST)] * 3
    assert camera.units[1].is_damaged


def test_parameter_sets_with_the_time_of_the_picture_before_go_with_the_next() -> None:
    # As some Reolink models have it: the marker on each, and the time of what was before.
    camera = Camera()
    camera.send(PICTURE, time=0)
    camera.send(SPS, time=0)
    camera.send(PPS, time=0)
    camera.send(IDR, time=FRAME)
    camera.send(PICTURE, time=2 * FRAME)
    assert camera.data == [prefixed(PICTURE), prefixed(SPS, PPS, IDR)]
    assert camera.units[1].parameter_sets == (SPS, PPS)
    assert camera.units[1].ticks == FRAME


def test_two_pictures_at_the_same_time_stay_two() -> None:
    camera = Camera()
    camera.send(PICTURE, PICTURE_REST, time=0, marker=False)
    camera.send(PICTURE, AUD, SEI, PICTURE, time=0, marker=False)
    camera.send(IDR, time=FRAME)
    assert camera.data == [prefixed(PICTURE, PICTURE_REST), prefixed(PICTURE), prefixed(AUD, SEI, PICTURE)]


def test_what_follows_the_slices_belongs_to_them() -> None:
    camera = Camera()
    camera.prove()
    camera.send(PICTURE, FILLER, time=0)
    camera.send(PICTURE, time=FRAME)
    assert camera.data == [prefixed(PICTURE, FILLER), prefixed(PICTURE)]


def test_a_recovery_point_is_as_good_as_a_keyframe() -> None:
    camera = Camera()
    camera.send(SEI, PICTURE, time=0)
    camera.send(RECOVERY, PICTURE, time=FRAME)
    camera.send(PICTURE, time=2 * FRAME)
    camera.send(PICTURE, time=3 * FRAME)
    assert [unit.is_keyframe for unit in camera.units] == [False, True, False]


def test_several_nal_units_in_one_packet() -> None:
    camera = Camera()
    camera.feed(camera.sender.packet(aggregate([SPS, PPS, SEI, IDR], b"\x78"), 0, marker=True))
    camera.send(PICTURE, time=FRAME)
    assert camera.data == [prefixed(SPS, PPS, SEI, IDR)]
    assert camera.units[0].is_keyframe


def test_an_aggregate_that_promises_too_much_gives_what_it_has() -> None:
    camera = Camera()
    camera.feed(camera.sender.packet(aggregate([PICTURE], b"\x78") + b"\xff\xff\x41\x2a\x2b", 0, marker=True))
    camera.send(PICTURE, time=FRAME)
    assert camera.data == [prefixed(PICTURE, b"\x41\x2a\x2b")]


@pytest.mark.parametrize("limit", [20, 2000], ids=["in fragments", "in one packet"])
def test_a_byte_stream_in_place_of_single_units_is_taken_apart(limit: int) -> None:
    camera = Camera(limit)
    stream = b"\0\0\0\1".join([SPS, PPS, IDR, IDR_REST])
    for number in range(30):
        camera.send(stream if number % 2 == 0 else b"\0\0\0\1" + PICTURE, time=number * FRAME)
    assert camera.data == [prefixed(SPS, PPS, IDR, IDR_REST), prefixed(PICTURE)] * 15
    assert camera.units[20].is_keyframe
    assert camera.units[20].parameter_sets == (SPS, PPS)


def test_sources_extensions_and_padding_are_no_payload() -> None:
    camera = Camera(limit=8)
    camera.sender.extras = iter([0x00, 0x20, 0x10, 0x03, 0x35] * 8)
    camera.send(SPS, PPS, IDR, time=0)
    camera.send(PICTURE, time=FRAME)
    camera.send(PICTURE, time=2 * FRAME)
    assert camera.data == [prefixed(SPS, PPS, IDR), prefixed(PICTURE)]
    assert camera.damaged == 0


def test_times_go_on_where_their_32_bits_wrap() -> None:
    camera = Camera()
    for number in range(-3, 4):
        camera.send(PICTURE, time=number * FRAME)
    assert [unit.ticks for unit in camera.units[:6]] == [number * FRAME for number in range(6)]


def test_reordered_pictures_keep_their_times() -> None:
    camera = Camera()
    for number in (0, 3, 1, 2, 4):
        camera.send(PICTURE, time=number * FRAME)
    assert [unit.ticks // FRAME for unit in camera.units[:4]] == [0, 3, 1, 2]


def without(camera: Camera, *lost: int) -> None:
    """A keyframe in packets of which some are lost, then two pictures."""
    payloads = [SPS, PPS, *h264_payloads(IDR, 10)]
    packets = [camera.sender.packet(payload, 0, marker=payload is payloads[-1]) for payload in payloads]
    camera.feed(b"".join(packet for number, packet in enumerate(packets) if number not in lost))
    camera.send(PICTURE, time=FRAME)
    camera.send(PICTURE, time=2 * FRAME)


def test_a_hole_in_a_picture_is_told_and_the_rest_kept() -> None:
    camera = Camera()
    without(camera, 4)
    assert in_one_piece(camera.units) == [
        access_unit(prefixed(SPS, PPS, IDR[:11] + IDR[21:]), 0, (SPS, PPS), is_keyframe=True, is_damaged=True),
        access_unit(prefixed(PICTURE), FRAME),
    ]
    assert camera.damaged == 1


def test_a_slice_whose_end_is_lost_ends_where_it_breaks_off() -> None:
    camera = Camera()
    without(camera, 7)
    assert camera.data[0] == prefixed(SPS, PPS, IDR[:51])
    assert camera.units[0].is_damaged


def test_a_slice_whose_beginning_is_lost_is_left_out() -> None:
    camera = Camera()
    without(camera, 2)
    assert camera.data == [prefixed(SPS, PPS, PICTURE)]
    assert camera.units[0].is_damaged


def test_a_picture_without_its_first_slice_is_damaged_and_kept() -> None:
    camera = Camera()
    camera.prove()
    camera.send(PICTURE, time=0)
    camera.sender.sequence += 1
    camera.send(PICTURE_REST, time=FRAME)
    camera.send(PICTURE, time=2 * FRAME)
    assert [unit.is_damaged for unit in camera.units] == [False, True, False]


def test_packets_of_another_type_are_not_ours() -> None:
    camera = Camera()
    camera.send(PICTURE, time=0)
    stranger = Sender(payload_type=110, sequence=5)
    camera.feed(stranger.packet(IDR, 0, marker=True))
    camera.send(PICTURE, time=FRAME)
    assert camera.data == [prefixed(PICTURE)]
    assert camera.damaged == 0


def test_a_picture_that_never_ends_does_not_fill_the_memory() -> None:
    camera = Camera()
    camera.send(IDR, time=0)
    block = b"\x7c\x05" + bytes(60_000)
    head = camera.sender.packet(b"\x7c\x85" + block, 0)
    camera.feed(head)
    for _ in range(1200):
        camera.feed(camera.sender.packet(block, 0))
    assert camera.damaged == 1
    camera.send(PICTURE, time=FRAME)
    camera.send(PICTURE, time=2 * FRAME)
    assert camera.data[-1] == prefixed(PICTURE)


def test_h265_has_its_parameter_sets_beside_it() -> None:
    camera = Camera(is_h265=True)
    camera.send(VPS_5, SPS_5, PPS_5, IDR_5, time=0)
    camera.send(PICTURE_5, PICTURE_5_REST, SUFFIX_5, time=FRAME)
    camera.send(CRA_5, time=2 * FRAME)
    camera.send(PICTURE_5, time=3 * FRAME)
    assert in_one_piece(camera.units) == [
        access_unit(prefixed(IDR_5), 0, (VPS_5, SPS_5, PPS_5), is_keyframe=True),
        access_unit(prefixed(PICTURE_5, PICTURE_5_REST, SUFFIX_5), FRAME),
        access_unit(prefixed(CRA_5), 2 * FRAME, is_keyframe=True),
    ]


def test_h265_in_one_packet_and_with_parameter_sets_in_fragments() -> None:
    camera = Camera(limit=3, is_h265=True)
    camera.feed(camera.sender.packet(aggregate([VPS_5, SPS_5], b"\x60\x01"), 0))
    camera.send(PPS_5, IDR_5, time=0)
    camera.send(VPS_5, SPS_5, PPS_5, CRA_5, time=FRAME)
    camera.send(PICTURE_5, time=2 * FRAME)
    assert [(unit.data, unit.parameter_sets) for unit in camera.units] == [
        (prefixed(IDR_5), (VPS_5, SPS_5, PPS_5)),
        (prefixed(CRA_5), (VPS_5, SPS_5, PPS_5)),
    ]
