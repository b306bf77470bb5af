"""The benchmark of the recorders' calls: every call is answered by both servers, and what is written is there."""

from pathlib import Path

import pytest

from bench.api.measure import GOALS, Size, measured


@pytest.mark.timeout(120)
async def test_both_servers_answer_every_call(tmp_path: Path) -> None:
    size = Size(clients=12, cameras_each=2, segments=240, rounds=1, seconds=0.05)
    # An answer with another status than the call's own ends it with an error.
    for name, (ours, bare) in (await measured(tmp_path, size, GOALS)).items():
        assert min(ours[0].answers, bare[0].answers) >= 32, name
