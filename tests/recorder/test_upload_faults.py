"""Whatever goes wrong at whatever step of an upload, each object arrives once and whole."""

from pathlib import Path

import pytest

from tests.recorder.gcs_faults import POSSIBLE
from tests.recorder.upload_faults import run

SEED = 4
SEQUENCES = 250


@pytest.mark.timeout(300)
@pytest.mark.parametrize("is_brokered", [False, True], ids=["direct", "brokered"])
async def test_every_object_arrives_once_through_faults_at_every_step(tmp_path: Path, is_brokered: bool) -> None:
    outcome = await run(tmp_path, SEQUENCES, SEED, is_brokered=is_brokered)
    print(outcome)  # noqa: T201 - shown where it fails
    assert outcome.wrong == []
    assert outcome.sent_too_often == []
    steps = {step for step, _ in outcome.injected}
    assert len(steps) == (len(POSSIBLE) - 2 if is_brokered else len(POSSIBLE))
    assert outcome.restarts > 1
