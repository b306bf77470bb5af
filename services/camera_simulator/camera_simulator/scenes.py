"""What a live camera sees: a street of its own, a van that drives by, and the wall clock."""

import random
from dataclasses import dataclass

from av.video.frame import VideoFrame
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]

_STRIP, _TEXT = (18, 20, 24), (245, 245, 240)
_CROSSING_SECONDS = 9


@dataclass(frozen=True, slots=True)
class _Light:
    """One time of day."""

    zenith: Colour
    horizon: Colour
    hills: Colour
    ground: Colour
    road: Colour
    windows: Colour


_LIGHTS = (
    _Light((86, 148, 206), (200, 224, 238), (104, 142, 112), (128, 164, 98), (96, 98, 102), (70, 84, 104)),
    _Light((64, 70, 128), (244, 160, 108), (84, 74, 98), (92, 96, 78), (72, 70, 78), (252, 214, 132)),
    _Light((16, 22, 48), (52, 66, 104), (28, 36, 54), (40, 54, 52), (46, 48, 58), (250, 208, 112)),
    _Light((142, 156, 170), (220, 222, 218), (118, 130, 132), (134, 148, 128), (104, 106, 108), (90, 100, 112)),
)
_WALLS: tuple[Colour, ...] = ((172, 108, 88), (188, 176, 150), (132, 142, 158), (150, 120, 104))
_VANS: tuple[Colour, ...] = ((206, 62, 54), (238, 190, 60), (232, 234, 236), (58, 118, 190))


class Scene:
    """Paints the frames of one live camera.

    All that stands still is painted once; a frame costs a copy, a van and a strip of text that changes every second.
    """

    def __init__(self, name: str, width: int, height: int, fps: int, seed: int) -> None:
        chance = random.Random(f"street {name} {seed}")  # noqa: S311 - a picture, not a secret
        self._name = name
        self._crossing_frames = _CROSSING_SECONDS * fps
        self._street = _street(width, height, chance.choice(_LIGHTS), chance)
        self._van = _van(max(12, width // 7), chance.choice(_VANS))
        self._font = ImageFont.load_default(max(10, height // 11))
        self._small_font = ImageFont.load_default(max(8, height // 16))
        self._clock = ""
        self._strip = Image.new("RGB", (0, 0))

    def frame(self, number: int, clock: str) -> VideoFrame:
        frame: VideoFrame = VideoFrame.from_image(self.paint(number, clock)).reformat(format="yuv420p")
        frame.pts = number
        return frame

    def paint(self, number: int, clock: str) -> Image.Image:
        """The frame with this number: the van where it is by then, `clock` and the camera's name below."""
        picture = self._street.copy()
        way = picture.width + self._van.width
        across = number % self._crossing_frames * way // self._crossing_frames - self._van.width
        picture.paste(self._van, (across, picture.height * 73 // 100 - self._van.height), self._van)
        if clock != self._clock:
            self._clock, self._strip = clock, self._caption(picture.width, picture.height, clock)
        picture.paste(self._strip, (0, picture.height - self._strip.height))
        return picture

    def _caption(self, width: int, height: int, clock: str) -> Image.Image:
        strip = Image.new("RGB", (width, height // 6), _STRIP)
        draw = ImageDraw.Draw(strip)
        margin, middle = width // 40, strip.height // 2
        draw.text((margin, middle), clock, fill=_TEXT, font=self._font, anchor="lm")
        draw.text((width - margin, middle), self._name, fill=_TEXT, font=self._small_font, anchor="rm")
        return strip


def _street(width: int, height: int, light: _Light, chance: random.Random) -> Image.Image:
    """From the back to the front: sky, hills, houses, pavement, road."""
    picture = Image.new("RGB", (width, height), light.ground)
    draw = ImageDraw.Draw(picture)
    horizon, kerb, verge = height * 45 // 100, height * 60 // 100, height * 78 // 100
    for y in range(horizon):
        draw.line((0, y, width, y), fill=_between(light.zenith, light.horizon, y / horizon))
    for _ in range(4):
        x, half, top = chance.randrange(width), chance.randint(width // 4, width // 2), chance.randint(4, 9)
        draw.ellipse((x - half, horizon - height * top // 50, x + half, horizon + height // 3), fill=light.hills)
    draw.rectangle((0, horizon + height // 20, width, height), fill=light.ground)
    x = chance.randint(0, width // 12)
    while x < width:
        wide = chance.randint(width // 8, width // 5)
        _house(draw, (x, chance.randint(height * 22 // 100, height * 38 // 100), x + wide, kerb), light, chance)
        x += wide + chance.randint(width // 30, width // 8)
    draw.rectangle((0, kerb, width, verge), fill=light.road)
    dash = max(4, width // 16)
    for x in range(0, width, dash * 2):
        draw.rectangle((x, (kerb + verge) // 2, x + dash, (kerb + verge) // 2 + max(1, height // 120)), fill=_TEXT)
    return picture


def _house(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], light: _Light, chance: random.Random) -> None:
    left, top, right, bottom = box
    draw.rectangle(box, fill=_between(chance.choice(_WALLS), light.zenith, 0.35))
    step = max(6, (right - left) // 4)
    for y in range(top + step // 2, bottom - step, step):
        for x in range(left + step // 2, right - step * 3 // 4, step):
            draw.rectangle((x, y, x + step // 2, y + step // 2), fill=light.windows)


def _van(width: int, colour: Colour) -> Image.Image:
    """On a transparent ground."""
    height = width // 2
    van = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(van)
    draw.rounded_rectangle((0, 0, width * 3 // 4, height * 4 // 5), radius=height // 10, fill=colour)
    draw.rounded_rectangle((width // 2, height // 4, width - 1, height * 4 // 5), radius=height // 8, fill=colour)
    draw.rectangle((width * 4 // 5, height // 3, width * 19 // 20, height // 2), fill=(180, 210, 226))
    for x in (width // 5, width * 4 // 5):
        wheel = height // 5
        draw.ellipse((x - wheel, height - 1 - 2 * wheel, x + wheel, height - 1), fill=_STRIP)
    return van


def _between(first: Colour, second: Colour, share: float) -> Colour:
    """The colour that is `share` of the way from the first to the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
