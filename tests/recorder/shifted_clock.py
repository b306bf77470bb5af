"""A process whose wall clock is set from outside while it runs; its monotonic clock goes on as it is.

Needs the package `faketime` (https://github.com/wolfcw/libfaketime).
"""

import time
from dataclasses import dataclass
from pathlib import Path

_LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


@dataclass(frozen=True)
class ShiftedClock:
    """Written to a file that the process reads each time it asks for the time."""

    file: Path
    began: float

    @classmethod
    def right(cls, file: Path) -> "ShiftedClock":
        """The true time, for a process that is started now."""
        file.write_text("+0\n")
        return cls(file, time.monotonic())

    def step(self, hours: float) -> None:
        """From now on it is so much ahead of the true time."""
        self._become(f"{hours * 3600:+.0f}\n")

    def drift(self, rate: float) -> None:
        """From now on it runs at this rate."""
        # libfaketime applies a rate to all the time since the process began.
        self._become(f"{(1 - rate) * (time.monotonic() - self.began):+.3f} x{rate}\n")

    def environment(self) -> dict[str, str]:
        """What the process has to be started with."""
        return {
            "LD_PRELOAD": str(next(path for pattern in _LIBRARIES for path in Path("/").glob(pattern[1:]))),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
            "NO_FAKE_STAT": "1",
        }

    def _become(self, time: str) -> None:
        fresh = self.file.with_suffix(".new")
        fresh.write_text(time)
        fresh.replace(self.file)
