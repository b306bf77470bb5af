"""Streams that become others while they are recorded, and such that never become a recording."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import av
import pytest
from structlog.testing import capture_logs

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, Kind, VideoCodec
from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.retries import FIRST_RETRY_SECONDS
from recorder.spool import Spool
from tests.recorder.recorded import assert_nothing_is_lost, footage, sent_units, shown_as_sent
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

YARD = CameraSpec(name="yard", width=320, height=184, bitrate_bps=200_000)
SMART_GOP_SECONDS = 3
QUICK = Capturing(open_seconds=4, read_seconds=1)


async def test_keyframes_that_grow_rare_and_frequent_again_stretch_a_segment_and_end_nothing(spool: Spool) -> None:
    async with CameraSimulator([YARD], port=0) as simulator:
        yard, simulated = camera(simulator.url("yard")), simulator.camera("yard")
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(yard)))

        def lengths() -> list[timedelta]:
            return [segment.sealed.end - segment.sealed.start for segment in sealed(spool) if segment.sealed]

        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
            # As smart codecs do at night: three times what a silent camera would be allowed.
            await simulated.change_media(gop_frames=SMART_GOP_SECONDS * YARD.fps)
            await until(lambda: timedelta(seconds=SMART_GOP_SECONDS) in lengths())
            # By day it has B-frames, too.
            await simulated.change_media(gop_frames=YARD.gop_frames, b_frames=3)
            await until(lambda: lengths()[-1] == timedelta(seconds=2))
        pieces = footage(spool, yard.id)
        assert_nothing_is_lost(pieces, simulated)
        assert shown_as_sent(pieces, simulated)
    assert any(later.pts < earlier.pts for piece in pieces for earlier, later in pairwise(piece.pictures)), (
        "there are B-frames"
    )
    assert [gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.end > pieces[0].start] == []


async def test_another_codec_that_the_camera_announces_anew_begins_another_segment(spool: Spool) -> None:
    async with CameraSimulator([YARD], port=0) as simulator:
        yard, simulated = camera(simulator.url("yard")), simulator.camera("yard")
        cameras = Cameras(spool, capturing=QUICK)
        cameras.apply(config(always(yard)))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 1)
            await simulated.change_media(codec="h265")
            await until(lambda: any(segment.sealed.codec == "hevc" for segment in sealed(spool) if segment.sealed))
        pieces = footage(spool, yard.id)
        sent = sent_units(simulated)
    assert len({segment.recording_id for segment in sealed(spool)}) == 1, "one recording holds both"
    before = [piece for piece in pieces if piece.codec == "h264"]
    after = [piece for piece in pieces if piece.codec == "hevc"]
    assert pieces == before + after
    assert {piece.tag for piece in after} == {"hvc1"}
    for viewer, found in ((1, before), (2, after)):
        got = [picture.digest for piece in found for picture in piece.pictures]
        expected = [digest for digest, unit in sent if unit.viewer == viewer]
        assert got == expected[: len(got)], "from the first keyframe of each connection on"
        assert len(expected) - len(got) <= 12, "but for what was in flight when the connection ended"
    gaps = [gap for gap in spool.gaps.to_report(datetime.now(UTC)) if gap.end > before[0].start]
    assert [(gap.start, gap.end) for gap in gaps] == [(before[-1].end, after[0].start)]


@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
async def test_a_camera_that_describes_nothing_and_begins_in_the_middle_is_recorded_from_its_keyframe_on(
    spool: Spool, codec: VideoCodec
) -> None:
    # Its keyframes are further apart than libav looks (5 s): nothing but the keyframe itself says what is seen.
    spec = replace(YARD, codec=codec, gop_frames=175, described_parameter_sets=False, starts_at_keyframe=False)
    async with CameraSimulator([spec], port=0) as simulator:
        yard, simulated = camera(simulator.url("yard")), simulator.camera("yard")
        cameras = Cameras(spool)
        cameras.apply(config(always(yard)))
        async with running(cameras):
            await until(lambda: cameras.states()[0].condition is CameraCondition.RECORDING)
            await simulated.wait_for_sent(25)
        pieces = footage(spool, yard.id)
        assert_nothing_is_lost(pieces, simulated)
        assert shown_as_sent(pieces, simulated)
    with av.open(str(spool.segments.file(sealed(spool)[0]))) as container:
        pictures = list(container.decode(video=0))
        assert {(picture.width, picture.height) for picture in pictures} == {(spec.width, spec.height)}
        assert len(pictures) == len(pieces[0].pictures)


async def test_sound_that_never_comes_does_not_delay_the_recording(spool: Spool) -> None:
    specs = [replace(YARD, name=name, audio=AudioCodec.AAC) for name in ("heard", "mute")]
    async with CameraSimulator(specs, port=0) as simulator:
        simulator.camera("mute").mute_audio()
        named = [camera(simulator.url(spec.name), spec.name) for spec in specs]
        cameras = Cameras(spool)
        cameras.apply(config(*(always(each) for each in named)))

        async def sent_until_recorded(name: str) -> int:
            camera_id = named[[spec.name for spec in specs].index(name)].id
            await until(
                lambda: (
                    {state.camera_id for state in cameras.states() if state.condition is CameraCondition.RECORDING}
                    >= {camera_id}
                )
            )
            return len(simulator.camera(name).sent())

        async with running(cameras):
            heard, mute = await asyncio.gather(sent_until_recorded("heard"), sent_until_recorded("mute"))
    # Pictures, 25 a second: libav would wait 5 s for the first packet of sound.
    assert mute - heard < 3 * YARD.fps


async def test_sound_that_stops_and_comes_back_leaves_a_hole_and_stays_with_its_pictures(spool: Spool) -> None:
    specs = [replace(YARD, name=str(audio), audio=audio) for audio in (AudioCodec.AAC, AudioCodec.PCM_ALAW)]
    async with CameraSimulator(specs, port=0) as simulator:
        named = [camera(simulator.url(spec.name), spec.name) for spec in specs]
        cameras = Cameras(spool)
        cameras.apply(config(*(always(each, segment_seconds=60) for each in named)))
        async with running(cameras):
            await until(lambda: all(state.condition is CameraCondition.RECORDING for state in cameras.states()))
            simulated = [simulator.camera(spec.name) for spec in specs]
            await asyncio.gather(*(each.wait_for_sent(25, Kind.AUDIO) for each in simulated))
            for each in simulated:
                each.mute_audio()
            await asyncio.gather(*(each.wait_for_sent(50) for each in simulated))
            for each in simulated:
                each.resume()
            await asyncio.gather(*(each.wait_for_sent(50, Kind.AUDIO) for each in simulated))
        for known, one in zip(named, simulated, strict=True):
            pieces = footage(spool, known.id)
            assert_nothing_is_lost(pieces, one)
            sound = pieces[-1].sound
            holes = [later - earlier for earlier, later in pairwise(sound) if later - earlier > 0.3]
            assert len(holes) == 1
            assert holes[0] == pytest.approx(2, abs=0.5)
            assert sound[-1] == pytest.approx(pieces[-1].pictures[-1].pts / 90_000, abs=0.5)


async def test_what_can_not_be_recorded_says_why_and_says_it_once(spool: Spool) -> None:
    # Of the last libav doesn't know what it is; AV1 it calls by its decoder's name.
    called = {"H263-1998": "h263", "AV1": "av1", "X-NEWEST": "unknown"}
    specs = [replace(YARD, name=encoding, announced_as=encoding) for encoding in called]
    async with CameraSimulator(specs, port=0) as simulator:
        cameras = Cameras(spool, capturing=QUICK)
        known = [camera(simulator.url(spec.name), spec.name) for spec in specs]
        names = {each.id: each.name for each in known}
        cameras.apply(config(*(always(each) for each in known)))
        with capture_logs() as logs:
            began = time.monotonic()
            async with running(cameras):
                await until(lambda: {state.condition for state in cameras.states()} == {CameraCondition.UNSUPPORTED})
                first = cameras.states()
                for spec in specs:
                    await simulator.camera(spec.name).wait_for_request("DESCRIBE", 200, count=3)
                    assert time.monotonic() - began >= FIRST_RETRY_SECONDS, "not asked again and again"
                states = cameras.states()
    # Since the first time, and through all that were tried meanwhile.
    assert states == first
    assert {state.condition for state in states} == {CameraCondition.UNSUPPORTED}
    gaps = spool.gaps.to_report(datetime.now(UTC))
    for state in states:
        assert "set it to H.264 or H.265" in state.reason
        assert f"sends {called[names[state.camera_id]]} video" in state.reason
        failures = [log for log in logs if log["event"] == "camera_failed" and log["camera_id"] == str(state.camera_id)]
        assert [failure["reason"] for failure in failures] == [state.reason]
        told = {(gap.cause, gap.detail) for gap in gaps if gap.camera_id == state.camera_id}
        assert told == {(GapCause.UNSUPPORTED_STREAM, state.reason)}
    assert sealed(spool) == []
