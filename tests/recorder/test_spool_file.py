"""The spool's own file stays small, its log short, and both whole, whatever comes and goes for years."""

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from bench.fast_forward import samples
from bench.years import Pace, lived_in_memory
from recorder.spool import Spool
from tests.recorder.spooled import NOON, begun, many_rows, sealed

MIB = 1 << 20
PAGE_BYTES = 4096
LOG_LIMIT = 9 * MIB
LATER = NOON + timedelta(days=1)

# Another program that has the file open: it reads one row, says so, and keeps its transaction until it is told to end.
READER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
db.execute("BEGIN")
db.execute("SELECT count(*) FROM facts").fetchall()
print("reading", flush=True)
sys.stdin.read()
"""

# Deletes and gives room back, over and over, saying when a round begins.
TIDIER = """
import sys
from pathlib import Path
from recorder.spool import Spool
from tests.recorder.spooled import begun, many_rows
spool = Spool.open(Path(sys.argv[1]))
recording = begun(spool)
while True:
    many_rows(spool, recording, 4000)
    with spool._database.transaction() as db:
        db.execute("DELETE FROM segments WHERE state = 'stored' AND size_bytes = 1000")
    print("tidying", flush=True)
    spool.tidy()
"""


@contextmanager
def another_reader(spool_file: Path) -> Iterator[subprocess.Popen[str]]:
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(spool_file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield reader
    finally:
        reader.communicate("")


def write_much(spool: Spool, mebibytes: int) -> None:
    """So much for the log, in transactions of the usual size."""
    for _ in range(mebibytes * 8):
        with spool._database.transaction() as db:
            db.execute("INSERT OR REPLACE INTO facts VALUES ('ballast', ?)", ("x" * MIB,))
            db.execute("UPDATE facts SET value = '' WHERE name = 'ballast'")


def size(spool: Spool) -> int:
    return (spool.base / "spool.sqlite3").stat().st_size


def test_the_file_shrinks_when_a_backlog_has_gone(spool: Spool) -> None:
    many_rows(spool, begun(spool), 20_000)
    spool.tidy()
    full = size(spool)
    while spool.removals.delete_stored(LATER):
        pass
    for _ in range(10):
        spool.tidy()
    spool._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert size(spool) < full / 5
    assert spool._database.rows("PRAGMA integrity_check")[0][0] == "ok"


def test_an_older_file_that_can_not_shrink_is_rewritten_once(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "spool.sqlite3") as db:
        db.execute("CREATE TABLE something (x)")
    db.close()
    spool = Spool.open(tmp_path)
    assert spool._database.rows("PRAGMA auto_vacuum")[0][0] == 2
    spool.close()


def test_the_log_stays_short_and_no_other_program_can_make_it_grow(spool: Spool) -> None:
    with another_reader(spool.base / "spool.sqlite3") as reader:
        _, errors = reader.communicate("")
    assert "database is locked" in errors
    write_much(spool, 40)
    spool.tidy()
    assert spool.log_bytes() <= LOG_LIMIT


def test_a_program_that_reads_already_keeps_nobody_from_recording_and_its_log_goes_with_it(tmp_path: Path) -> None:
    Spool.open(tmp_path).close()
    with another_reader(tmp_path / "spool.sqlite3") as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        spool = Spool.open(tmp_path)
        segment = sealed(spool, begun(spool))
        write_much(spool, 20)
        spool.tidy()
        assert spool.log_bytes() > LOG_LIMIT, "else this test shows nothing"
    write_much(spool, 1)
    spool.tidy()
    assert spool.log_bytes() <= LOG_LIMIT
    assert spool.segments.get(segment.id) == segment
    spool.close()


@pytest.mark.parametrize("attempt", range(3))
def test_kill_9_while_room_is_given_back_leaves_a_whole_file(tmp_path: Path, attempt: int) -> None:
    chance = random.Random(attempt)
    spool = Spool.open(tmp_path)
    kept = [sealed(spool, begun(spool), NOON + timedelta(minutes=n)) for n in range(20)]
    spool.close()
    with subprocess.Popen([sys.executable, "-c", TIDIER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as tidier:
        assert tidier.stdout is not None
        for _ in range(chance.randrange(1, 4)):
            assert tidier.stdout.readline() == "tidying\n"
        with pytest.raises(subprocess.TimeoutExpired):
            tidier.wait(chance.uniform(0, 0.03))  # the moment within the tidying is chance
        tidier.send_signal(signal.SIGKILL)
    spool = Spool.open(tmp_path)
    assert spool._database.rows("PRAGMA integrity_check")[0][0] == "ok"
    assert all(spool.segments.get(segment.id) == segment for segment in kept)
    tallied = spool._database.rows("SELECT sum(segments) FROM tallies")[0][0]
    assert tallied == spool._database.rows("SELECT count(*) FROM segments")[0][0]
    spool.tidy()
    spool.close()


def test_ten_years_leave_the_file_as_small_as_two(tmp_path: Path) -> None:
    lived = lived_in_memory(tmp_path, 10, Pace(days_a_year=8, cameras=3, segments_a_day=12, dark_days=3))
    assert max(year.file_bytes for year in lived[2:]) <= 1.25 * lived[1].file_bytes
    assert max(year.log_bytes for year in lived) <= LOG_LIMIT
    assert {year.rows for year in lived} == {lived[0].rows}, "what is kept is what is kept by rule"


async def test_four_hundred_segments_leave_no_more_behind_than_a_hundred(tmp_path: Path) -> None:
    """The whole way, in a process of its own: `make bench BENCH=recorder.fast_forward` does it with ten thousand."""
    early, late = await samples(tmp_path, 100, 400)
    assert (late.descriptors, late.threads) == (early.descriptors, early.threads)
    # How many segments are there at once differs by a few, and each takes part of a page; the rows of 300 segments that
    # were left behind would take 50.
    assert late.file_bytes <= early.file_bytes + 4 * PAGE_BYTES
    # A leak of the packets of 300 segments would be 280 MiB, of their Python objects alone 24.
    assert late.memory_bytes - early.memory_bytes < 12 * MIB
