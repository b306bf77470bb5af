"""Players that are not libav's Python binding agree that these are cameras."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import av
import pytest

from camera_simulator import AudioCodec, CameraSimulator, CameraSpec, VideoCodec
from tests.recorder.waiting import until

LIMIT_SECONDS = 60
SPECS = [
    CameraSpec(name="first", audio=AudioCodec.AAC, gop_frames=5, loop_seconds=1, user="admin", password="secret"),
    CameraSpec(
        name="second",
        codec=VideoCodec.H265,
        audio=AudioCodec.PCM_MULAW,
        gop_frames=5,
        loop_seconds=1,
        user="u",
        password="p",
    ),
]


async def run(*command: str) -> bytes:
    assert shutil.which(command[0]), f"{command[0]} is missing: run tests/install-system-packages"
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            out, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode == 0, errors.decode()
    return out


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    ("spec", "codecs"), [(SPECS[0], ["h264", "aac"]), (SPECS[1], ["hevc", "pcm_mulaw"])], ids=["first", "second"]
)
async def test_ffprobe_counts_pictures_and_finds_no_fault(
    spec: CameraSpec, codecs: list[str], transport: str, media_cache: Path
) -> None:
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        url = simulator.url(spec.name)
        show = ["-read_intervals", "%+1", "-count_frames", "-show_entries", "stream=codec_name,width,nb_read_frames"]
        out = await run("ffprobe", "-v", "warning", "-rtsp_transport", transport, *show, "-of", "json", url)
    streams = json.loads(out)["streams"]
    assert [stream["codec_name"] for stream in streams] == codecs
    assert streams[0]["width"] == 640
    assert all(int(stream["nb_read_frames"]) > 5 for stream in streams)


@pytest.mark.skipif(shutil.which("gst-launch-1.0") is None, reason="GStreamer is not on this machine")
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize(("spec", "kind"), [(SPECS[0], "h264"), (SPECS[1], "h265")], ids=["first", "second"])
async def test_gstreamer_takes_the_pictures(
    spec: CameraSpec, kind: str, protocol: str, media_cache: Path, tmp_path: Path
) -> None:
    taken = tmp_path / f"pictures.{kind}"
    async with CameraSimulator([spec], cache=media_cache) as simulator:
        source = ["rtspsrc", f"location={simulator.url(spec.name)}", f"protocols={protocol}"]
        pictures = [f"rtp{kind}depay", "!", f"video/x-{kind},stream-format=byte-stream,alignment=au"]
        sink = ["filesink", f"location={taken}", "buffer-mode=unbuffered"]
        # Killed in the end: told to end, on a loaded machine it may cancel its own PAUSE and call that an error.
        async with playing("gst-launch-1.0", "-q", *source, "!", *pictures, "!", *sink):
            await until(lambda: shown(taken) >= 30)
    assert shown(taken) >= 30


@asynccontextmanager
async def playing(*command: str) -> AsyncIterator[None]:
    """A player that goes on for as long as the block, and is then killed. It must not end sooner."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    ended = asyncio.create_task(process.communicate())
    try:
        yield
        assert process.returncode is None, (await ended)[1].decode()
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await ended


def shown(file: Path) -> int:
    """How many pictures of it can be shown."""
    try:
        with av.open(file) as container:
            return sum(1 for _ in container.decode(video=0))
    except (OSError, av.error.FFmpegError):
        return 0  # nothing there yet, or it ends in the middle of the first
