"""Streams as odd cameras send them: what of each is on the disk afterwards, packet by packet."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest

from camera_simulator import AudioCodec, Camera, CameraSimulator, CameraSpec, Kind, VideoCodec
from recorder.cameras import Cameras
from recorder.spool import Spool
from tests.recorder.recorded import Footage, assert_nothing_is_lost, footage, shown_as_sent
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

SEGMENTS = 3
"""Whole ones. What follows when recording stops may be a single picture, without any sound yet, and on a loaded machine
the first may have done without: pictures wait a second for sound, and no longer."""
PLAIN = CameraSpec(name="plain", width=320, height=184, bitrate_bps=200_000, rtcp_interval_seconds=1)
B_FRAMES = [
    replace(PLAIN, name="h264-b2", b_frames=2, audio=AudioCodec.AAC),
    replace(PLAIN, name="h264-b2-sdp", b_frames=2, in_band_parameter_sets=False),
    replace(PLAIN, name="h265-b3", codec=VideoCodec.H265, b_frames=3),
    replace(PLAIN, name="h264-b2-uneven", b_frames=2, uneven_frames=True),
]
EVEN = [
    replace(PLAIN, name="uneven", uneven_frames=True),
    # Wraps some seconds after the start. Not by way of 0: libav takes that for a time not known yet (rtpdec.c).
    replace(PLAIN, name="wrapping", first_rtp_timestamp=2**32 - 3 * 90_000 - 1, audio=AudioCodec.AAC),
    replace(PLAIN, name="wrapping-b2", first_rtp_timestamp=2**32 - 3 * 90_000 - 1, b_frames=2),
    replace(PLAIN, name="mjpeg", codec=VideoCodec.MJPEG, audio=AudioCodec.PCM_MULAW),
    replace(PLAIN, name="metadata", metadata=True, audio=AudioCodec.PCM_ALAW),
]
JUMPING = [
    replace(PLAIN, name="jumping", audio=AudioCodec.AAC),
    replace(PLAIN, name="jumping-b2", b_frames=2),
    replace(PLAIN, name="stepping-back"),
]
ODD_TIMES = [
    replace(PLAIN, name="unsteady", unsteady_ticks=4500),
    replace(PLAIN, name="frozen", frozen_timestamps=True),
]


@dataclass(frozen=True)
class Recorded:
    """All the odd cameras of this page, recorded at the same time."""

    cameras: dict[str, Camera]
    footage: dict[str, list[Footage]]
    gaps: list[UUID]
    """The cameras of which some time is missing after their first picture."""


@pytest.fixture(scope="module")
async def recorded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Recorded]:
    spool = Spool.open(tmp_path_factory.mktemp("odd"))
    specs = [*B_FRAMES, *EVEN, *JUMPING, *ODD_TIMES]
    async with CameraSimulator(specs, port=0) as simulator:
        named = {spec.name: camera(simulator.url(spec.name), spec.name) for spec in specs}
        cameras = Cameras(spool)
        cameras.apply(config(*(always(each) for each in named.values())))

        async def reached(name: str, count: int) -> None:
            await until(lambda: sum(segment.camera_id == named[name].id for segment in sealed(spool)) >= count)

        async def misbehave(name: str, *jumps: float) -> None:
            for number, seconds in enumerate(jumps, 1):
                await reached(name, number)
                simulator.camera(name).jump(seconds)
            await reached(name, SEGMENTS + len(jumps))

        async with running(cameras), asyncio.TaskGroup() as tasks:
            for spec in specs:
                jumps = {"jumping": (3600, -7200), "jumping-b2": (-60, 60), "stepping-back": (-2,)}
                tasks.create_task(misbehave(spec.name, *jumps.get(spec.name, ())))
        found = {name: footage(spool, each.id) for name, each in named.items()}
        first = {each.id: found[name][0].start for name, each in named.items()}
        gaps = [gap.camera_id for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.end > first[gap.camera_id]]
        yield Recorded({spec.name: simulator.camera(spec.name) for spec in specs}, found, gaps)
    spool.close()


@pytest.mark.parametrize("spec", [*B_FRAMES, *EVEN, *JUMPING, *ODD_TIMES], ids=lambda spec: spec.name)
async def test_every_packet_is_recorded_once_and_no_time_is_missing(spec: CameraSpec, recorded: Recorded) -> None:
    pieces, odd = recorded.footage[spec.name], recorded.cameras[spec.name]
    assert_nothing_is_lost(pieces, odd)
    assert recorded.gaps == []
    # Its own clock tells how long that took: so many frames.
    frames = sum(len(piece.pictures) for piece in pieces)
    length = (pieces[-1].end - pieces[0].start).total_seconds()
    assert length == pytest.approx(frames / spec.fps, abs=1)


@pytest.mark.parametrize("spec", [*B_FRAMES, *EVEN], ids=lambda spec: spec.name)
async def test_every_picture_is_shown_when_the_camera_said(spec: CameraSpec, recorded: Recorded) -> None:
    # libav leaves out when the first picture is shown; with B-frames at changing distances nothing tells.
    unknown = 1 if spec.b_frames and spec.uneven_frames else 0
    assert shown_as_sent(recorded.footage[spec.name], recorded.cameras[spec.name], unknown)


@pytest.mark.parametrize("spec", [spec for spec in B_FRAMES if spec.audio is AudioCodec.NONE], ids=lambda s: s.name)
async def test_pictures_that_are_sent_out_of_order_are_decoded_so(spec: CameraSpec, recorded: Recorded) -> None:
    for piece in recorded.footage[spec.name][:SEGMENTS]:
        assert any(later.pts < earlier.pts for earlier, later in pairwise(piece.pictures)), "there are B-frames"
        assert piece.pictures[0].pts == 0, "a segment begins with the picture that its time names"


async def test_motion_jpeg_is_recorded_with_its_sound(recorded: Recorded) -> None:
    pieces = recorded.footage["mjpeg"][1:SEGMENTS]
    assert {(piece.codec, piece.tracks) for piece in pieces} == {("mjpeg", ("mjpeg", "aac"))}


async def test_h265_is_tagged_as_players_want_it(recorded: Recorded) -> None:
    assert {piece.tag for piece in recorded.footage["h265-b3"]} == {"hvc1"}


async def test_a_metadata_track_is_not_even_asked_for(recorded: Recorded) -> None:
    odd = recorded.cameras["metadata"]
    assert {piece.tracks for piece in recorded.footage["metadata"][1:SEGMENTS]} == {("h264", "aac")}
    assert sum(request.method == "SETUP" for request in odd.requests) == len((Kind.VIDEO, Kind.AUDIO))
    assert odd.sent(Kind.METADATA) == []


@pytest.mark.parametrize("name", ["jumping", "wrapping"])
async def test_sound_stays_with_its_pictures(name: str, recorded: Recorded) -> None:
    for piece in recorded.footage[name][1:SEGMENTS]:
        shown = [picture.pts / 90_000 for picture in piece.pictures]
        assert piece.sound[0] == pytest.approx(shown[0], abs=0.3)
        assert piece.sound[-1] == pytest.approx(shown[-1], abs=0.3)
        assert max(later - earlier for earlier, later in pairwise(piece.sound)) < 0.3


@pytest.mark.parametrize("spec", [spec for spec in JUMPING if not spec.b_frames] + ODD_TIMES, ids=lambda s: s.name)
async def test_pictures_stay_in_order_whatever_their_timestamps_say(spec: CameraSpec, recorded: Recorded) -> None:
    for piece in recorded.footage[spec.name][:SEGMENTS]:
        shown = [picture.pts for picture in piece.pictures]
        assert shown == sorted(set(shown))
        # Of a jump by two seconds or more nothing shows.
        assert max(later - earlier for earlier, later in pairwise(shown)) < 2 * 90_000
