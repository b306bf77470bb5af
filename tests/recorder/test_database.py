"""The spool's database under several threads."""

from concurrent.futures import ThreadPoolExecutor

from recorder.spool import Spool
from tests.recorder.spooled import begun


def test_who_reads_does_not_wait_for_who_writes(spool: Spool) -> None:
    recording = begun(spool)
    with spool._database.transaction() as db:
        db.execute("UPDATE recordings SET name = 'being changed'")
        with ThreadPoolExecutor(1) as another:
            row = another.submit(spool.recordings.get, recording.id).result(5)
    assert row is not None
    assert row.name == recording.name
    changed = spool.recordings.get(recording.id)
    assert changed is not None
    assert changed.name == "being changed"
