"""What a client receives is what the camera says it sent, byte for byte."""

from itertools import pairwise
from pathlib import Path

import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, Kind, VideoCodec
from tests.camera_simulator.viewing import watch

COMBINATIONS = [
    CameraSpec(name=f"{codec}-{audio}-{b_frames}", codec=codec, audio=audio, b_frames=b_frames, loop_seconds=2)
    for codec in VideoCodec
    for audio in AudioCodec
    for b_frames in ((0, 2) if audio is AudioCodec.NONE else (0,))
]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("spec", COMBINATIONS, ids=lambda spec: spec.name)
async def test_every_unit_arrives_unchanged_across_the_loop_seam(
    spec: CameraSpec, transport: str, media_cache: Path
) -> None:
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        camera = simulator.camera(spec.name)
        watched = await watch(simulator.url(spec.name), 70, transport)
        await camera.wait_for_viewers(0)

    (first,) = {unit.viewer for unit in camera.sent()}
    kinds = [Kind.VIDEO] if spec.audio is AudioCodec.NONE else list(Kind)
    assert sorted({packet.kind for packet in watched.packets}) == sorted(kinds)
    for kind in kinds:
        sent = [unit.sha256 for unit in camera.sent(kind, viewer=first)]
        seen = [packet.sha256 for packet in watched.of(kind)]
        assert len(seen) >= 30
        assert seen == sent[: len(seen)]
    assert watched.of(Kind.VIDEO)[0].is_keyframe
    loop = [unit.sha256 for unit in camera.media.video.units]
    assert {len(loop), 50} == {50}
    sent_video = camera.sent()
    assert [loop[unit.number % len(loop)] for unit in sent_video] == [unit.sha256 for unit in sent_video]


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_timestamps_go_on_evenly_across_the_loop_seam(b_frames: int, media_cache: Path) -> None:
    spec = CameraSpec(name="seam", b_frames=b_frames, audio=AudioCodec.AAC, loop_seconds=1)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        watched = await watch(simulator.url("seam"), 60)

    shown = sorted(packet.pts for packet in watched.of(Kind.VIDEO) if packet.pts is not None)
    # The last pictures may still be missing a B-frame that comes after them.
    assert {later - earlier for earlier, later in pairwise(shown[:-3])} == {3600}
    heard = [packet.pts for packet in watched.of(Kind.AUDIO) if packet.pts is not None]
    assert all(earlier < later for earlier, later in pairwise(heard))
