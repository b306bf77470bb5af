"""How many bytes go in one request: as many as the uplink takes in a short while."""

from datetime import timedelta

UNIT_BYTES = 256 * 1024
"""Every chunk but the last is a multiple of it, by Google's protocol."""
FIRST_BYTES = 2 * UNIT_BYTES
"""At 100 kbit/s that is 42 s: within a request's patience, and soon enough to learn how fast the uplink is."""
SHARE_OF_PATIENCE = 6


class Pace:
    """A chunk is what a break of the connection costs, and only its end is progress: on a slow uplink it is small.

    Shared by all uploads of a store, since they share the uplink. A sixth of the time after which a silent server is
    given up: so much of a chunk may lie in the system's buffers when the answer is awaited, and the uplink may become
    six times slower before an upload that still flows is taken for one that stands.
    """

    def __init__(self, most_bytes: int, patience: timedelta) -> None:
        """`most_bytes`: a multiple of 256 KiB."""
        self._most = most_bytes
        self._wanted = patience / SHARE_OF_PATIENCE
        self._next = min(FIRST_BYTES, most_bytes)

    @property
    def chunk_bytes(self) -> int:
        """How much the next chunk should be."""
        return self._next

    def arrived(self, size_bytes: int, took: timedelta) -> None:
        """So much was taken in one request. The next may be twice as large; it shrinks at once."""
        possible = int(size_bytes * (self._wanted / took)) if took else self._most
        self._set(min(possible, 2 * self._next))

    def broke(self) -> None:
        """A chunk did not get through."""
        self._set(self._next // 2)

    def _set(self, size_bytes: int) -> None:
        whole = size_bytes // UNIT_BYTES * UNIT_BYTES
        self._next = max(UNIT_BYTES, min(whole, self._most))
