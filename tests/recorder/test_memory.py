"""What keeps a recorder small."""

import asyncio
import gc
import subprocess
import sys
import weakref
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from recorder.memory import keep_for_good, trimming
from tests.recorder.waiting import until

PAGE_BYTES = 4096
BLOCK_BYTES, BLOCKS = 64 << 10, 600


class Knot:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collector() -> Iterator[None]:
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_what_was_there_at_the_start_is_not_looked_at_again_and_later_garbage_is_found() -> None:
    early = Knot()
    keep_for_good()
    assert not any(each is early for each in gc.get_objects())
    late = Knot()
    found = weakref.ref(late)
    del late
    gc.collect()
    assert found() is None


def test_a_recorder_goes_without_what_is_for_terminals_and_its_help_does_not() -> None:
    program = """
import sys
from recorder.memory import without_what_is_for_terminals
with without_what_is_for_terminals():
    import recorder.logs, recorder.main
print(*sorted(name for name in sys.modules if name.split(".")[0] in {"rich", "pygments"}))
import rich.console
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == ""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's heap")
async def test_free_pages_in_the_middle_of_the_heap_go_back_to_the_system() -> None:
    blocks = [b"x" * BLOCK_BYTES for _ in range(BLOCKS)]
    full = resident_bytes()
    del blocks[:-1:2]
    assert resident_bytes() > full - BLOCK_BYTES * BLOCKS // 8  # it doesn't happen by itself
    task = asyncio.create_task(trimming(timedelta(milliseconds=10)))
    await until(lambda: resident_bytes() < full - BLOCK_BYTES * BLOCKS // 4)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(blocks) == BLOCKS // 2


def resident_bytes() -> int:
    """proc_pid_statm(5)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES
