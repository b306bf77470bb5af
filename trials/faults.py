"""What cameras do to a recorder, at random: faults that pass by themselves, and others that last a while."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

from camera_simulator import Camera, VideoCodec

_LASTS_SECONDS = (1.0, 20.0)
_JUMP_SECONDS = (-7200.0, 7200.0)

Begin = Callable[[Camera, random.Random], Awaitable[None] | None]


async def _change_resolution(camera: Camera, chance: random.Random) -> None:
    width, height = chance.choice([(640, 360), (320, 180)])
    await camera.change_media(width=width, height=height)


async def _change_codec(camera: Camera, _: random.Random) -> None:
    await camera.change_media(codec=VideoCodec.H265 if camera.media.video.codec is VideoCodec.H264 else VideoCodec.H264)


def _refuse(camera: Camera, chance: random.Random) -> None:
    camera.refuse(chance.choice([404, 453, 500, 503]))
    camera.drop()


PASSING: dict[str, Begin] = {
    "drop": lambda camera, _: camera.drop(),
    "end_stream": lambda camera, _: camera.end_stream(),
    "jump": lambda camera, chance: camera.jump(chance.uniform(*_JUMP_SECONDS)),
    "change_resolution": _change_resolution,
    "change_codec": _change_codec,
}
LASTING: dict[str, Begin] = {
    "stall": lambda camera, _: camera.stall(),
    "silence": lambda camera, _: camera.silence(),
    "refuse": _refuse,
    "refuse_connections": lambda camera, _: camera.refuse_connections(),
    "mute_audio": lambda camera, _: camera.mute_audio(),
}


class Faults:
    """Between `run`'s start and its end something happens to one of the cameras every few seconds."""

    def __init__(self, cameras: tuple[Camera, ...], chance: random.Random, every_seconds: tuple[float, float]) -> None:
        self.told: Counter[str] = Counter()
        """How often which fault began."""
        self._well = list(cameras)
        self._chance = chance
        self._every_seconds = every_seconds

    async def run(self, seconds: float) -> None:
        """Returns when so much time is over and all faults are lifted."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        async with asyncio.TaskGroup() as tasks:
            while loop.time() < until:
                await asyncio.sleep(self._chance.uniform(*self._every_seconds))
                if self._well:
                    camera = self._well.pop(self._chance.randrange(len(self._well)))
                    tasks.create_task(self._befall(camera))

    async def _befall(self, camera: Camera) -> None:
        name = self._chance.choice([*PASSING, *LASTING])
        self.told[name] += 1
        begun = (PASSING | LASTING)[name](camera, self._chance)
        if begun is not None:
            await begun
        if name in LASTING:
            await asyncio.sleep(self._chance.uniform(*_LASTS_SECONDS))
            camera.resume()
            await camera.accept_connections()
        self._well.append(camera)
