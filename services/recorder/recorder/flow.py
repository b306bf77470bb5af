"""How fast footage may leave, all uploads together, and whether it may leave at all now."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from recorder.errors import UploadsClosed

PIECES_PER_SECOND = 10
SMALLEST_PIECE, LARGEST_PIECE = 1024, 128 * 1024
BURST_SECONDS = 1.0
"""What was not used of the last second may be made up for, as after an answer that took its time."""
SOON_SECONDS = 0.001
"""Not worth a timer: the next piece waits for it."""
LONGEST_TURN_SECONDS = 5.0
"""However urgent others are, nobody waits longer: a connection that carries nothing is closed by whoever listens."""


@dataclass(slots=True)
class TokenBucket:
    """Fills by so many bytes a second, up to a second's worth, and begins empty."""

    bytes_per_second: float
    filled_at: float
    level: float = 0.0

    def seconds_until(self, count: int, now: float) -> float:
        """How long until so many bytes may go; zero or less when they may now."""
        self._fill(now)
        return (count - self.level) / self.bytes_per_second

    def take(self, count: int) -> None:
        """They go."""
        self.level -= count

    def _fill(self, now: float) -> None:
        full = self.bytes_per_second * BURST_SECONDS
        self.level = min(full, self.level + self.bytes_per_second * (now - self.filled_at))
        self.filled_at = now


@dataclass(slots=True)
class _Waiter:
    wanted: int
    since: float
    granted: asyncio.Future[int] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Flow:
    """Grants bytes to uploads in turn. What is urgent goes first, and even while the others may not go at all."""

    def __init__(self) -> None:
        self._bucket: TokenBucket | None = None
        self._turns: deque[_Waiter] = deque()
        self._urgent: deque[_Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.may_close = False
        """Then everything goes in small pieces: what is sent last before the closing must be little."""
        self._opened = asyncio.Event()
        self._opened.set()

    @property
    def limit(self) -> float | None:
        """Bytes per second; None for any."""
        return self._bucket.bytes_per_second if self._bucket else None

    @property
    def is_open(self) -> bool:
        """Whether uploads that are not urgent may go."""
        return self._opened.is_set()

    @property
    def is_free(self) -> bool:
        """Whether everything goes at once."""
        return self._bucket is None and self.is_open

    def set_limit(self, bytes_per_second: float | None) -> None:
        """From now on; uploads that are under way notice with their next piece."""
        if bytes_per_second != self.limit:
            now = asyncio.get_running_loop().time()
            self._bucket = TokenBucket(bytes_per_second, now) if bytes_per_second is not None else None
            self._advance()

    def open(self) -> None:
        """Everything may go."""
        self._opened.set()

    def close(self) -> None:
        """Nothing more is granted but to what is urgent: what waits ends with `UploadsClosed`."""
        self._opened.clear()
        while self._turns:
            waiter = self._turns.popleft()
            if not waiter.granted.done():
                waiter.granted.set_exception(UploadsClosed())
        self._advance()

    async def grant(self, wanted: int, *, is_urgent: bool = False) -> int:
        """Waits until some of `wanted` bytes may go, and tells how many: a piece of at most a tenth of a second.

        Raises `UploadsClosed`.
        """
        if not (self.is_open or is_urgent):
            raise UploadsClosed
        if self._bucket is None:
            return min(wanted, LARGEST_PIECE) if self.may_close else wanted
        waiter = _Waiter(wanted, asyncio.get_running_loop().time())
        (self._urgent if is_urgent else self._turns).append(waiter)
        self._advance()
        return await waiter.granted

    def _advance(self) -> None:
        """Whoever's turn it is goes, and the timer is set for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        loop = asyncio.get_running_loop()
        now = loop.time()
        while turns := self._first(now):
            waiter = turns[0]
            if not waiter.granted.done():  # else its upload was cancelled
                size = self._piece(waiter.wanted)
                if self._bucket is not None:
                    wait = self._bucket.seconds_until(size, now)
                    if wait > SOON_SECONDS:
                        self._timer = loop.call_later(wait, self._advance)
                        return
                    self._bucket.take(size)
                waiter.granted.set_result(size)
            turns.popleft()

    def _first(self, now: float) -> deque[_Waiter] | None:
        if self._turns and (not self._urgent or now - self._turns[0].since > LONGEST_TURN_SECONDS):
            return self._turns
        return self._urgent or None

    def _piece(self, wanted: int) -> int:
        if self._bucket is None:
            return min(wanted, LARGEST_PIECE)
        usual = int(self._bucket.bytes_per_second / PIECES_PER_SECOND)
        return min(wanted, max(SMALLEST_PIECE, min(usual, LARGEST_PIECE)))
