"""How well the program keeps time, as its metrics tell it."""

import asyncio
import time

from recorder.pulse import EVERY_SECONDS, Pulse
from tests.recorder.waiting import until


async def test_whatever_holds_the_loop_up_shows_as_its_lag() -> None:
    pulse = Pulse()
    running = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)  # it waits for its next turn
    time.sleep(EVERY_SECONDS + 0.3)  # noqa: ASYNC251 - what must not happen
    await until(lambda: pulse.lag_seconds >= 0.25)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
