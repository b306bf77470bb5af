"""The pictures a camera sees: moving texture under its name and a clock."""

import random

from av.video.frame import VideoFrame
from PIL import Image, ImageChops, ImageDraw, ImageFont

_BLACK, _WHITE, _NEUTRAL = 16, 235, 128  # ITU-R BT.601
_NOISE_BELOW = 96  # dark enough for white text, rough enough to cost the encoder the bits it is told to spend


class Painter:
    """Paints the frames of one camera; the same arguments give the same pixels on every machine.

    Two textures slide over each other in opposite directions: no motion vector predicts that, so the encoder really
    reaches the bit rate it is asked for.
    """

    def __init__(self, name: str, width: int, height: int, seed: int) -> None:
        texture = random.Random(f"{seed} {name}")  # noqa: S311 - a picture, not a secret
        scale = bytes(_BLACK + value * (_NOISE_BELOW - _BLACK) // 256 for value in range(256))
        self._textures = [
            Image.frombytes("L", (width, height), texture.randbytes(width * height).translate(scale)) for _ in range(2)
        ]
        self._name = name
        self._font = ImageFont.load_default(max(10, height // 9))
        self._small_font = ImageFont.load_default(max(8, height // 18))

    def frame(self, number: int, clock: str) -> VideoFrame:
        """The painted frame as the encoder takes it: the picture is the luma plane, colours stay neutral."""
        picture = self.paint(number, clock)
        frame = VideoFrame(picture.width, picture.height, "yuv420p")
        luma, *chroma = frame.planes
        padded = Image.new("L", (luma.line_size, luma.buffer_size // luma.line_size))
        padded.paste(picture)
        luma.update(padded.tobytes())
        for plane in chroma:
            plane.update(bytes((_NEUTRAL,)) * plane.buffer_size)
        frame.pts = number
        return frame

    def paint(self, number: int, clock: str) -> Image.Image:
        """The frame with this number, in grey: `clock` in large digits, the camera's name and the number below."""
        first, second = self._textures
        picture = ImageChops.add(
            ImageChops.offset(first, number * 2, number), ImageChops.offset(second, -number, number * 3), scale=1.5
        )
        draw = ImageDraw.Draw(picture)
        margin = picture.height // 20
        top = margin
        for text, font in ((clock, self._font), (f"{self._name}  #{number}", self._small_font)):
            left, upper, right, lower = draw.textbbox((margin, top), text, font=font)
            draw.rectangle((left - 4, upper - 4, right + 4, lower + 4), fill=_BLACK)
            draw.text((margin, top), text, fill=_WHITE, font=font)
            top = int(lower) + margin // 2 + 4
        return picture
