"""How well the program keeps time: by how much its event loop is late, and how many heartbeats were answered."""

import asyncio
from collections import deque

EVERY_SECONDS = 0.5
"""Each look wakes a processor; anything that holds the loop up for so long is seen for certain."""
WINDOW_SECONDS = 60.0


class Pulse:
    """Belongs to the event loop; may be read from any thread."""

    def __init__(self) -> None:
        self.heartbeats = 0
        """Answered by the control plane, since the start."""
        self._lags: deque[float] = deque([0.0], maxlen=round(WINDOW_SECONDS / EVERY_SECONDS))

    @property
    def lag_seconds(self) -> float:
        """The longest that the loop was late in the last minute: so long everything in it had to wait."""
        return max(self._lags.copy())

    def beat(self) -> None:
        """A heartbeat was answered."""
        self.heartbeats += 1

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_SECONDS
            await asyncio.sleep(EVERY_SECONDS)
            self._lags.append(max(0.0, loop.time() - due))
