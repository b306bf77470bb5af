"""Camera-like input made by PyAV: short clips whose every packet the tests know."""

from array import array
from fractions import Fraction
from hashlib import sha256
from math import sin
from pathlib import Path
from random import Random

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream


def make_clip(
    path: Path,
    *,
    seconds: int = 12,
    codec: str = "libx264",
    audio: str | None = "aac",
    keyframe_every: int = 25,
    fps: int = 25,
    b_frames: int = 0,
) -> Path:
    """A clip with a moving picture; QuickTime, which holds every codec a camera sends."""
    with av.open(str(path), "w", format="mov") as output:
        video = output.add_stream(codec, rate=fps)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        video.codec_context.gop_size = keyframe_every
        options = {"preset": "ultrafast", "tune": "zerolatency"}
        if codec == "libx265":
            options["x265-params"] = (
                f"keyint={keyframe_every}:min-keyint={keyframe_every}:scenecut=0:info=0:log-level=none"
            )
            video.codec_context.codec_tag = "hvc1"
        else:
            # One slice a picture: GStreamer's payloader repeats the parameter sets before each slice of a keyframe.
            options["x264-params"] = f"keyint={keyframe_every}:min-keyint={keyframe_every}:scenecut=0:sliced-threads=0"
            if b_frames:
                options["x264-params"] += f":bframes={b_frames}:b-adapt=0:rc-lookahead=10"
        video.codec_context.options = options
        rate = 8000 if audio and audio.startswith("pcm") else 48000
        sound = output.add_stream(audio, rate=rate, layout="mono") if audio else None
        assert sound is None or isinstance(sound, AudioStream)
        for number in range(seconds * fps):
            for packet in video.encode(_picture(number, fps)):
                output.mux(packet)
            if sound is not None:
                for part in sound.encode(_tone(number, rate, fps)):
                    output.mux(part)
        for packet in video.encode(None):
            output.mux(packet)
        if sound is not None:
            for part in sound.encode(None):
                output.mux(part)
    return path


def _picture(number: int, fps: int) -> av.VideoFrame:
    frame = av.VideoFrame(320, 180, "yuv420p")
    row = bytes((column + number * 3) % 256 for column in range(frame.planes[0].line_size - 64))
    row += Random(number).randbytes(64)  # no two pictures, and no two changes between them, are equal
    for plane in frame.planes:
        plane.update((row[: plane.line_size] * plane.height)[: plane.buffer_size])
    frame.pts, frame.time_base = number, Fraction(1, fps)
    return frame


def _tone(number: int, rate: int, fps: int) -> av.AudioFrame:
    samples = rate // fps
    frame = av.AudioFrame("s16", "mono", samples)
    wave = array("h", (int(8000 * sin((number * samples + n) / 20)) for n in range(samples))).tobytes()
    frame.planes[0].update(wave.ljust(frame.planes[0].buffer_size, b"\0"))
    frame.sample_rate, frame.pts, frame.time_base = rate, number * samples, Fraction(1, rate)
    return frame


def nal_units(packet: bytes, *, annex_b: bool | None = None) -> list[bytes]:
    """The NAL units of a packet, whichever way they are delimited: by start codes or by four-byte lengths."""
    if annex_b is None:
        annex_b = packet.startswith((b"\0\0\0\1", b"\0\0\1"))
    if annex_b:
        parts = packet.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")
        return [part for part in parts if part]
    units, at = [], 0
    while at < len(packet):
        length = int.from_bytes(packet[at : at + 4], "big")
        units.append(packet[at + 4 : at + 4 + length])
        at += 4 + length
    return units


def video_hashes(path: Path) -> list[str]:
    """A hash a video packet, over its NAL units."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [
            sha256(b"|".join(nal_units(bytes(packet)))).hexdigest() for packet in container.demux(stream) if packet.size
        ]
