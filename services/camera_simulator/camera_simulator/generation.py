"""Media made at start: encoded once, kept in a cache folder."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from camera_simulator import sounds
from camera_simulator.media import G711_UNIT_SAMPLES, Media, UnplayableError, load
from camera_simulator.metadata import metadata_track
from camera_simulator.pictures import Painter
from camera_simulator.specs import AudioCodec, CameraSpec, Clock, VideoCodec
from camera_simulator.unevenness import uneven

GENERATION = 1  # raise it when the same spec gives other bytes, so that old cache files are left alone
AAC_HZ = 16_000
G711_HZ = 8_000
_ENCODERS = {VideoCodec.H264: "libx264", VideoCodec.H265: "libx265", VideoCodec.MJPEG: "mjpeg"}


def default_cache() -> Path:
    """A folder of the user's own in the system's temporary directory."""
    return Path(tempfile.gettempdir()) / f"camfleet-camera-simulator-{os.getuid()}"


def media_for(spec: CameraSpec, cache: Path) -> Media:
    """What the camera plays. Blocks for about a second when it has to be encoded first. Raises `UnplayableError`."""
    try:
        path = spec.file or _generated(spec, cache)
    except av.FFmpegError as error:
        raise UnplayableError(f"{spec.name} can't be encoded like this: {error}") from error
    media = load(path, in_band_parameter_sets=spec.in_band_parameter_sets)
    video = uneven(media.video) if spec.uneven_frames else media.video
    return Media(video, media.audio, metadata_track() if spec.metadata else None)


def media_key(spec: CameraSpec) -> str:
    """Equal for specs that play the same bytes."""
    facts: tuple[object, ...] = (
        GENERATION,
        av.__version__,
        spec.file,
        spec.in_band_parameter_sets,
        spec.uneven_frames,
        spec.metadata,
        *_encoder_facts(spec),
    )
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:24]


def encoder_options(spec: CameraSpec) -> dict[str, str]:
    """Even GOPs without scene cuts, closed so that each keyframe can start a file; one thread for equal bytes."""
    if spec.codec is VideoCodec.MJPEG:
        return {"huffman": "default", "threads": "1"}  # RFC 2435 knows the default tables only
    common = {"preset": "ultrafast", "g": str(spec.gop_frames), "bf": str(spec.b_frames)}
    if spec.clock is Clock.LIVE:
        common["tune"] = "zerolatency"
    shared = f"keyint={spec.gop_frames}:min-keyint={spec.gop_frames}:scenecut=0:bframes={spec.b_frames}"
    if spec.codec is VideoCodec.H264:
        return common | {"x264-params": f"{shared}:threads=1:force-cfr=1:open-gop=0"}
    return common | {"x265-params": f"{shared}:pools=none:frame-threads=1:open-gop=0:log-level=none"}


def encoder_name(spec: CameraSpec) -> str:
    return _ENCODERS[spec.codec]


def pixel_format(spec: CameraSpec) -> str:
    return "yuvj420p" if spec.codec is VideoCodec.MJPEG else "yuv420p"


def _encoder_facts(spec: CameraSpec) -> tuple[object, ...]:
    return (
        spec.codec.value,
        spec.audio.value,
        spec.width,
        spec.height,
        spec.fps,
        spec.gop_frames,
        spec.bitrate_bps,
        spec.b_frames,
        spec.loop_frames,
        spec.seed,
        spec.clock.value,
        spec.burned_name,
    )


def _generated(spec: CameraSpec, cache: Path) -> Path:
    facts = repr((GENERATION, av.__version__, *_encoder_facts(spec)))
    path = cache / f"{hashlib.sha256(facts.encode()).hexdigest()[:24]}.nut"
    if not path.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Under a name of its own until it is whole: several processes may fill one cache.
        with tempfile.NamedTemporaryFile(dir=cache, suffix=".part", delete=False) as part:
            unfinished = Path(part.name)
        try:
            _encode(spec, unfinished)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path


def _encode(spec: CameraSpec, path: Path) -> None:
    """NUT keeps exact time bases, any of our codecs, and packets as they are."""
    # Sound is encoded after the pictures: without this, libav stops holding those back for it after ten seconds.
    with av.open(path, "w", format="nut", options={"max_interleave_delta": "0"}) as container:
        video = cast("VideoStream", container.add_stream(encoder_name(spec), spec.fps, encoder_options(spec)))
        video.width, video.height, video.pix_fmt = spec.width, spec.height, pixel_format(spec)
        video.bit_rate = spec.bitrate_bps
        audio = None
        if spec.audio is not AudioCodec.NONE:
            rate = AAC_HZ if spec.audio is AudioCodec.AAC else G711_HZ
            audio = cast("AudioStream", container.add_stream(spec.audio.value, rate, layout="mono"))
        painter = Painter(spec.burned_name, spec.width, spec.height, spec.seed)
        for number in range(spec.loop_frames):
            container.mux(video.encode(painter.frame(number, loop_clock(number, spec.fps))))
        container.mux(video.encode(None))
        if audio is not None:
            samples = audio.codec_context.frame_size or G711_UNIT_SAMPLES
            sample_format = "fltp" if spec.audio is AudioCodec.AAC else "s16"
            for sound in sounds.frames(audio.rate, spec.loop_frames / spec.fps, samples, sample_format):
                container.mux(audio.encode(sound))
            container.mux(audio.encode(None))


def loop_clock(number: int, fps: int) -> str:
    """Second within the loop, with hundredths."""
    return f"{number // fps // 60:02}:{number // fps % 60:02}.{number % fps * 100 // fps:02}"
