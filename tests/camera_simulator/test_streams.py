"""What a client receives is what the camera says it sent, byte for byte."""

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from camera_simulator import AudioCodec, Camera, CameraSimulator, CameraSpec, Kind, SentUnit, VideoCodec, nal_units
from tests.camera_simulator.viewing import Watched, watch

# So few bits that a whole run fits into a socket's buffer: on a busy machine UDP would otherwise lose what a client is
# too late to read, as it may. The keyframes are still large enough for fragments.
LOW_BITRATE_BPS = 200_000
COMBINATIONS = [
    CameraSpec(
        name=f"{codec}-{audio}-{b_frames}",
        codec=codec,
        audio=audio,
        b_frames=b_frames,
        fps=50,
        gop_frames=25,
        loop_seconds=1,
        bitrate_bps=LOW_BITRATE_BPS,
    )
    for codec in (VideoCodec.H264, VideoCodec.H265)
    for audio in AudioCodec
    for b_frames in ((0, 2) if audio is AudioCodec.NONE else (0,))
]


TRANSPORTS = ["tcp", "udp"]


@dataclass(frozen=True)
class Run:
    """One client's view beside the camera's own."""

    camera: Camera
    sent: dict[Kind, list[SentUnit]]
    watched: Watched


@pytest.fixture(scope="module")
async def runs(media_cache: Path) -> dict[tuple[str, str], Run]:
    """Every combination by every transport, all at the same time: they take as long as one."""

    async def run(simulator: CameraSimulator, spec: CameraSpec, transport: str) -> Run:
        camera = simulator.camera(spec.name)
        watched = await watch(simulator.url(spec.name), 70, transport)
        await camera.wait_for_viewers(0)
        return Run(camera, {kind: camera.sent(kind) for kind in Kind}, watched)

    found: dict[tuple[str, str], Run] = {}
    for transport in TRANSPORTS:
        async with CameraSimulator(COMBINATIONS, cache=media_cache) as simulator, asyncio.TaskGroup() as tasks:
            started = {spec.name: tasks.create_task(run(simulator, spec, transport)) for spec in COMBINATIONS}
        found |= {(name, transport): task.result() for name, task in started.items()}
    return found


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("spec", COMBINATIONS, ids=lambda spec: spec.name)
def test_every_unit_arrives_unchanged_across_the_loop_seam(
    spec: CameraSpec, transport: str, runs: dict[tuple[str, str], Run]
) -> None:
    run = runs[spec.name, transport]
    tracks = {track.kind: track for track in run.camera.media.tracks}

    assert tracks.keys() == {packet.kind for packet in run.watched.packets}
    assert tracks.keys() == ({Kind.VIDEO} if spec.audio is AudioCodec.NONE else {Kind.VIDEO, Kind.AUDIO})
    for kind, track in tracks.items():
        seen = [packet.sha256 for packet in run.watched.of(kind)]
        sent = run.sent[kind]
        assert len(seen) > len(track.units)
        assert seen == [unit.sha256 for unit in sent[: len(seen)]]
        assert [unit.sha256 for unit in sent] == [track.units[unit.number % len(track.units)].sha256 for unit in sent]
        assert [unit.number for unit in sent] == list(range(sent[0].number, sent[0].number + len(sent)))
    assert run.watched.of(Kind.VIDEO)[0].is_keyframe
    units = run.camera.media.video.units
    assert any(len(unit.payloads) > len(nal_units.split(unit.data)) for unit in units), "nothing was sent in fragments"


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_timestamps_go_on_evenly_across_the_loop_seam(b_frames: int, media_cache: Path) -> None:
    spec = CameraSpec(name="seam", b_frames=b_frames, audio=AudioCodec.AAC, gop_frames=5, loop_seconds=1)
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        watched = await watch(simulator.url("seam"), 60)

    shown = sorted(packet.pts for packet in watched.of(Kind.VIDEO) if packet.pts is not None)
    # The last pictures may still be missing a B-frame that comes after them.
    assert {later - earlier for earlier, later in pairwise(shown[:-3])} == {3600}
    heard = [packet.pts for packet in watched.of(Kind.AUDIO) if packet.pts is not None]
    assert all(earlier < later for earlier, later in pairwise(heard))
