"""How much goes at a time: as much as the uplink takes in a short while."""

from datetime import timedelta

UNIT_BYTES = 256 * 1024
"""Every chunk but the last is a multiple of it, by Google's protocol."""
FIRST_BYTES = 2 * UNIT_BYTES
"""At 100 kbit/s that is 42 s: within a request's patience, and soon enough to learn how fast the uplink is."""
SHARE_OF_PATIENCE = 6
SMALLEST_PIECE, FIRST_PIECE, LARGEST_PIECE = 16 * 1024, 64 * 1024, 2 * 1024 * 1024
"""Read and sent at a time. Fewer turns between threads cost less, a piece in memory for each upload more."""
MOST_PATIENCE = 8
"""How many times the usual patience a line gets that doesn't bring even the smallest chunk."""
_SECOND = timedelta(seconds=1)


class Pace:
    """A chunk is what a break of the connection costs, and only its end is progress: on a slow uplink it is small.

    Shared by all uploads of a store, since they share the uplink. A sixth of the time after which a silent server is
    given up: so much of a chunk may lie in the system's buffers when the answer is awaited, and the uplink may become
    six times slower before an upload that still flows is taken for one that stands. Where even the smallest chunk
    doesn't get through, the patience grows instead.
    """

    def __init__(self, most_bytes: int, patience: timedelta) -> None:
        """`most_bytes`: a multiple of 256 KiB."""
        self._most = most_bytes
        self._usual = self._patience = patience
        self._wanted = patience / SHARE_OF_PATIENCE
        self._next = min(FIRST_BYTES, most_bytes)
        self._piece = FIRST_PIECE

    @property
    def chunk_bytes(self) -> int:
        """How much the next chunk should be."""
        return self._next

    @property
    def piece_bytes(self) -> int:
        """How much of it should be handed to the system at a time: about a second's worth.

        A write counts as silent until all of its piece is taken, and hours that end or a new limit hold from the next
        piece on.
        """
        return self._piece

    @property
    def patience(self) -> timedelta:
        """After so long without a piece taken, or without an answer, a request is given up."""
        return self._patience

    def arrived(self, size_bytes: int, took: timedelta, *, is_end: bool = False) -> None:
        """So much was taken in one request. The next may be twice as large; it shrinks at once.

        `is_end`: it was all that was left of a file.
        """
        possible = int(size_bytes * (self._wanted / took)) if took else self._most
        if is_end and took <= self._wanted:
            # It may be short, and most of its time is the round trip: it says nothing against more.
            possible = max(possible, self._next)
        self._set(min(possible, 2 * self._next))
        a_second = int(size_bytes * (_SECOND / took)) if took else LARGEST_PIECE
        if not is_end or a_second > self._piece:
            self._piece = max(SMALLEST_PIECE, min(a_second, LARGEST_PIECE))
        self._patience = min(max(self._usual, took * SHARE_OF_PATIENCE), self._usual * MOST_PATIENCE)

    def broke(self) -> None:
        """A chunk did not get through."""
        if self._next == UNIT_BYTES:
            self._patience = min(self._patience * 2, self._usual * MOST_PATIENCE)
        self._set(self._next // 2)
        self._piece = max(SMALLEST_PIECE, self._piece // 2)

    def _set(self, size_bytes: int) -> None:
        whole = size_bytes // UNIT_BYTES * UNIT_BYTES
        self._next = max(UNIT_BYTES, min(whole, self._most))
