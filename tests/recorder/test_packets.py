"""The promise: every packet that the camera sent is in the segments, once, as it was."""

import asyncio
from hashlib import sha256
from itertools import pairwise

import av
import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, Kind, VideoCodec
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.sources import RtspClient
from recorder.spool import Spool
from tests.recorder.footage import nal_units
from tests.recorder.rig import always, camera, config, running, sealed
from tests.recorder.waiting import until

PARAMETER_SETS = {32, 33, 34}
"""VPS, SPS, PPS of H.265: ISO/IEC 14496-15 wants them in the sample entry of an `hvc1` track, and only there."""


def hashed(units: list[bytes], codec: str) -> str:
    if codec == "hevc":
        units = [unit for unit in units if unit[0] >> 1 & 63 not in PARAMETER_SETS]
    return sha256(b"|".join(units)).hexdigest()


def recorded(spool: Spool) -> list[str]:
    """A hash a packet over all segments, having checked what holds for each of them."""
    hashes = []
    for segment in sealed(spool):
        assert segment.sealed is not None
        with av.open(str(spool.segments.file(segment))) as container:
            stream = container.streams.video[0]
            packets = [packet for packet in container.demux(stream) if packet.size]
        assert packets[0].is_keyframe
        times = [packet.dts for packet in packets]
        assert all(a is not None and b is not None and a < b for a, b in pairwise(times))
        assert len(packets) == segment.sealed.packets
        codec = segment.sealed.codec
        hashes += [hashed(nal_units(bytes(packet), annex_b=False), codec) for packet in packets]
    return hashes


@pytest.mark.parametrize(
    ("codec", "audio"),
    [(VideoCodec.H264, AudioCodec.AAC), (VideoCodec.H265, AudioCodec.PCM_ALAW), (VideoCodec.H264, AudioCodec.NONE)],
    ids=["H.264 and AAC", "H.265 and G.711", "video only"],
)
@pytest.mark.parametrize("client", list(RtspClient))
async def test_every_packet_across_three_segments_is_the_cameras(
    spool: Spool, codec: VideoCodec, audio: AudioCodec, client: RtspClient
) -> None:
    spec = CameraSpec(name="yard", codec=codec, audio=audio)
    name = "hevc" if codec is VideoCodec.H265 else "h264"
    async with CameraSimulator([spec], port=0) as simulator:
        cameras = Cameras(spool, capturing=Capturing(client=client))
        cameras.apply(config(always(camera(simulator.url("yard")))))
        async with running(cameras):
            await until(lambda: len(sealed(spool)) >= 3)
        await asyncio.sleep(0)
        simulated = simulator.camera("yard")
        units = {
            sha256(unit.data).hexdigest(): hashed(nal_units(unit.data, annex_b=True), name)
            for unit in simulated.media.video.units
        }
        sent = [units[unit.sha256] for unit in simulated.sent(Kind.VIDEO)]
        keyframes = [unit.is_keyframe for unit in simulated.sent(Kind.VIDEO)]

    got = await asyncio.to_thread(recorded, spool)
    first = sent.index(got[0])
    assert first == keyframes.index(True), "the first keyframe sent is the first recorded"
    assert got == sent[first : first + len(got)]
    assert len(sent) - len(got) - first <= 12, "at most what was in flight when the recorder stopped"
    starts = [segment.sealed.start for segment in sealed(spool) if segment.sealed]
    ends = [segment.sealed.end for segment in sealed(spool) if segment.sealed]
    assert starts[1:] == ends[:-1], "each segment begins where the one before ended"

    with av.open(str(spool.segments.file(sealed(spool)[1]))) as container:
        extradata = container.streams.video[0].codec_context.extradata or b""
        kinds = [stream.codec_context.name for stream in container.streams]
        assert container.streams.video[0].codec_context.codec_tag == ("hvc1" if codec is VideoCodec.H265 else "avc1")
    assert kinds == [name] + ([] if audio is AudioCodec.NONE else ["aac"])
    keyframe = nal_units(simulated.media.video.units[0].data, annex_b=True)
    if name == "hevc":
        sets = [unit for unit in keyframe if unit[0] >> 1 & 63 in PARAMETER_SETS]
        assert len(sets) == 3
        assert all(unit in extradata for unit in sets), "what is not in the packets is in the sample entry"


@pytest.mark.parametrize("client", list(RtspClient))
@pytest.mark.parametrize("codec", [VideoCodec.H264, VideoCodec.H265])
async def test_a_new_resolution_in_mid_stream_begins_a_segment_and_loses_nothing(
    spool: Spool, codec: VideoCodec, client: RtspClient
) -> None:
    async with CameraSimulator([CameraSpec(name="yard", codec=codec, audio=AudioCodec.NONE)], port=0) as simulator:
        simulated = simulator.camera("yard")
        cameras = Cameras(spool, capturing=Capturing(client=client))
        cameras.apply(config(always(camera(simulator.url("yard")), segment_seconds=60)))
        async with running(cameras):
            await until(lambda: cameras.states()[0].condition == "recording")
            await simulated.change_media(width=320, height=180)
            await until(lambda: len(sealed(spool)) == 1)
            sent = len(simulated.sent(Kind.VIDEO))
            await simulated.wait_for_sent(sent + 30)
        first = simulated.sent(Kind.VIDEO)[0].viewer
        assert simulated.sent(Kind.VIDEO)[-1].viewer == first, "the camera was not opened again"

    before, after = sealed(spool)
    assert before.sealed is not None
    assert after.sealed is not None
    assert before.sealed.end == after.sealed.start
    sizes = []
    for segment in (before, after):
        with av.open(str(spool.segments.file(segment))) as container:
            assert segment.sealed is not None
            pictures = list(container.decode(video=0))
            assert len(pictures) == segment.sealed.packets, "every picture can be shown"
            sizes.append({(picture.width, picture.height) for picture in pictures})
    assert sizes == [{(640, 360)}, {(320, 180)}]
