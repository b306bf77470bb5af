"""Frame sizes of encoded scenes that change in the middle: what the thresholds of scene signals were chosen by.

`python -m bench.scenes FILE` encodes them (about five minutes) and writes FILE; the tests read the copy that is kept in
tests/recorder/frame_sizes.json. The pictures are painted, with sensor noise of a given strength in grey levels.
"""

import json
import random
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from PIL import Image, ImageChops, ImageDraw, ImageFont

Picture = Image.Image
Scene = Callable[[int], Picture]

SIZE = WIDTH, HEIGHT = 640, 360
FPS = 12
HALF = 50 * FPS
_PAD = 64
_FADE_SECONDS = 30

_chance = random.Random(5)  # noqa: S311 - pictures, not secrets
_font = ImageFont.load_default(18)
_noise: dict[float, list[Picture]] = {}


def _texture(low: int, high: int) -> Picture:
    picture = Image.new("L", SIZE, (low + high) // 2)
    draw = ImageDraw.Draw(picture)
    for _ in range(250):
        x, y, wide, tall = (_chance.randrange(most) for most in (WIDTH, HEIGHT, 90, 60))
        draw.rectangle((x, y, x + wide, y + tall), fill=_chance.randint(low, high))
    return ImageChops.add(picture, Image.effect_noise(SIZE, (high - low) / 6), 1, -128)


_DAY, _NIGHT = _texture(40, 200), _texture(16, 60)


def _noisy(picture: Picture, strength: float) -> Picture:
    if strength not in _noise:
        _noise[strength] = [Image.effect_noise((WIDTH + _PAD, HEIGHT + _PAD), strength) for _ in range(6)]
    x, y = _chance.randrange(_PAD), _chance.randrange(_PAD)
    part = _chance.choice(_noise[strength]).crop((x, y, x + WIDTH, y + HEIGHT))
    return ImageChops.add(picture, part, 1, -128)


def _clock(picture: Picture, number: int) -> Picture:
    draw = ImageDraw.Draw(picture)
    draw.rectangle((5, 5, 120, 28), fill=16)
    draw.text((8, 6), f"12:{number // FPS // 60:02}:{number // FPS % 60:02}", fill=235, font=_font)
    return picture


def _view(ground: Picture, movers: int, noise: float) -> Scene:
    """A street with things that move, noise, and a clock in the corner."""

    def paint(number: int) -> Picture:
        picture = ground.copy()
        draw = ImageDraw.Draw(picture)
        for mover in range(movers):
            x, y = (number * (3 + mover) + mover * 211) % (WIDTH + 100) - 100, 60 + mover * 70
            draw.rectangle((x, y, x + 80, y + 45), fill=(60 + mover * 50) % 255)
            draw.rectangle((x + 10, y + 5, x + 30, y + 20), fill=230)
        return _clock(_noisy(picture, noise), number)

    return paint


def _plain(grey: int, noise: float) -> Scene:
    return lambda number: _clock(_noisy(Image.new("L", SIZE, grey), noise), number)


def _then(first: Scene, second: Scene) -> Scene:
    return lambda number: first(number) if number < HALF else second(number)


def _frozen(scene: Scene, *, has_clock: bool = False) -> Scene:
    last: list[Picture] = []

    def paint(number: int) -> Picture:
        if number < HALF:
            last[:] = [scene(number)]
        return _clock(last[0].copy(), number) if has_clock and number >= HALF else last[0]

    return paint


def _dimmed(scene: Scene) -> Scene:
    def paint(number: int) -> Picture:
        light = max(0.15, 1 - (number - HALF) / (_FADE_SECONDS * FPS))
        return ImageChops.multiply(scene(number), Image.new("L", SIZE, int(255 * light)))

    return paint


def _infrared(scene: Scene) -> Scene:
    flat = [int(60 + value * 0.6) for value in range(256)]
    return lambda number: _noisy(scene(number).point(flat), 4)


_BUSY, _QUIET = _view(_DAY, 3, 2), _view(_DAY, 0, 2)
_NIGHT_QUIET = _view(_NIGHT, 0, 0.7)
SCENES: dict[str, Scene] = {
    "busy, quiet": _then(_BUSY, _QUIET),
    "busy, frozen": _frozen(_BUSY),
    "busy, frozen but for the clock": _frozen(_BUSY, has_clock=True),
    "quiet, frozen": _frozen(_QUIET),
    "quiet, frozen but for the clock": _frozen(_QUIET, has_clock=True),
    "busy, covered": _then(_BUSY, _plain(18, 1.5)),
    "busy, covered with gain noise": _then(_BUSY, _plain(30, 6)),
    "busy, covered by something bright": _then(_BUSY, _plain(170, 2)),
    "busy, lights fading to 15 %": _then(_BUSY, _dimmed(_BUSY)),
    "busy, switched to infrared": _then(_BUSY, _infrared(_BUSY)),
    "noisy night, frozen": _frozen(_view(_NIGHT, 1, 6)),
    "clean night, movement ends": _then(_view(_NIGHT, 2, 0.7), _NIGHT_QUIET),
    "very clean night, movement ends": _then(_view(_NIGHT, 2, 0.3), _view(_NIGHT, 0, 0.3)),
    "clean quiet night, frozen": _frozen(_NIGHT_QUIET),
    "night, dark": _then(_view(_NIGHT, 1, 3), _plain(17, 3)),
}

_GOPS = "keyint=24:min-keyint=24:scenecut=0:bframes=0"
ENCODERS: dict[str, tuple[str, int, dict[str, str]]] = {
    "H.264 CBR 1 Mbit/s": (
        "libx264",
        1_000_000,
        {"x264-params": f"{_GOPS}:nal-hrd=cbr:vbv-maxrate=1000:vbv-bufsize=1000:force-cfr=1"},
    ),
    "H.264 VBR": ("libx264", 0, {"crf": "27", "x264-params": f"{_GOPS}:vbv-maxrate=1500:vbv-bufsize=1500"}),
    "H.264 ABR 1 Mbit/s": ("libx264", 1_000_000, {"x264-params": _GOPS}),
    "H.264 150 kbit/s": ("libx264", 150_000, {"x264-params": f"{_GOPS}:vbv-maxrate=200:vbv-bufsize=300"}),
    "H.264 fixed QP": ("libx264", 0, {"preset": "ultrafast", "qp": "30", "x264-params": _GOPS}),
    "H.265 VBR": (
        "libx265",
        0,
        {"preset": "ultrafast", "crf": "28", "x265-params": f"{_GOPS}:log-level=none:pools=2:frame-threads=1"},
    ),
}


def _frame(picture: Picture, number: int) -> VideoFrame:
    frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
    luma, *chroma = frame.planes
    padded = Image.new("L", (luma.line_size, luma.buffer_size // luma.line_size))
    padded.paste(picture)
    luma.update(padded.tobytes())
    for plane in chroma:
        plane.update(bytes((128,)) * plane.buffer_size)
    frame.pts, frame.time_base = number, Fraction(1, FPS)
    return frame


def _gops(encoder: str, frames: list[VideoFrame]) -> list[list[int]]:
    """Of each GOP: the keyframe's bytes, those of its other frames together, and how many these are."""
    name, bit_rate, options = ENCODERS[encoder]
    context = cast("VideoCodecContext", av.CodecContext.create(name, "w"))
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate = Fraction(1, FPS), Fraction(FPS)
    if bit_rate:
        context.bit_rate = bit_rate
    context.options = {"preset": "veryfast"} | options
    gops: list[list[int]] = []
    for number, frame in enumerate([*frames, None]):
        if frame is not None:
            frame.pts = number
        for packet in context.encode(frame):
            if packet.is_keyframe:
                gops.append([packet.size, 0, 0])
            else:
                gops[-1][1] += packet.size
                gops[-1][2] += 1
    return gops


def main() -> None:
    """Encode everything, write the sizes."""
    found: dict[str, Any] = {}
    for name, scene in SCENES.items():
        frames = [_frame(scene(number), number) for number in range(2 * HALF)]
        found[name] = {}
        for encoder in ENCODERS:
            gops = _gops(encoder, frames)
            middle = len(gops) // 2
            found[name][encoder] = {"before": gops[:middle], "after": gops[middle:]}
            print(f"{name:36} {encoder:20} {gops[middle - 1]} {gops[-1]}", flush=True)
    lines = (f"  {json.dumps(name)}: {json.dumps(sizes, separators=(',', ':'))}" for name, sizes in found.items())
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


if __name__ == "__main__":
    main()
