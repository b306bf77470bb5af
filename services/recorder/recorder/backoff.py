"""How long to wait before the next try: exponential with full jitter, capped."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that grow from `first` to `limit`; drawn from `[0, wait]`, so that a fleet does not return in step."""

    first: timedelta = timedelta(seconds=1)
    limit: timedelta = timedelta(seconds=60)
    draw: Callable[[], float] = random.random
    """A number in `[0, 1)`."""

    def wait(self, failures: int) -> timedelta:
        """The wait after so many failures in a row (one or more)."""
        # The exponent is capped as well: after a week without network 2**failures is no float any more.
        ceiling = min(self.limit, self.first * (1 << min(max(failures, 1) - 1, 32)))
        return ceiling * self.draw()
