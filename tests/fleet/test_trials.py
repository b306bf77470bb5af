"""Short versions of `make kills`, `make power-cuts`, `make soak` and `make replicas`: everything is real."""

from pathlib import Path

import pytest

from trials.disks import NoLoopDevice
from trials.kills import Killed, kill_again_and_again
from trials.push import push
from trials.replicas import run_replicas
from trials.soak import soak


def broken_promises(killed: Killed) -> list[str]:
    """On a machine that is busy with other tests, what nobody could have read in time is left out."""
    return [
        f"{loss.camera}, time {loss.kill}: {loss.lost_seconds:.2f} s lost of {loss.sent_seconds:.2f} s"
        for loss in killed.losses
        if not loss.holds_once_read
    ]


@pytest.mark.timeout(400)
async def test_a_kill_costs_at_most_a_second_and_a_frame(database: str, tmp_path: Path) -> None:
    killed = await kill_again_and_again(tmp_path, database, times=5, seed=3, once_recorded=True)
    assert len(killed.losses) >= 4 * 4
    assert broken_promises(killed) == []
    assert killed.is_in_order, killed.as_json()


@pytest.mark.timeout(400)
async def test_a_power_cut_costs_at_most_a_second_and_a_frame(database: str, tmp_path: Path) -> None:
    try:
        killed = await kill_again_and_again(tmp_path, database, times=4, seed=5, cut_power=True, once_recorded=True)
    except NoLoopDevice as error:
        pytest.skip(str(error))
    assert len(killed.losses) >= 3 * 4
    assert "power_lost" in killed.gap_causes
    assert broken_promises(killed) == []
    assert killed.is_in_order, killed.as_json()


@pytest.mark.timeout(300)
async def test_due_time_is_footage_and_gaps_through_camera_faults_and_two_restarts(
    database: str, tmp_path: Path
) -> None:
    soaked = await soak(
        tmp_path, database, cameras=4, seconds=45, seed=7, segment_seconds=10, fault_every_seconds=(1.0, 3.0)
    )
    assert sum(soaked.faults.values()) >= 10
    assert soaked.holds, soaked.as_json()


@pytest.mark.timeout(400)
async def test_two_replicas_do_each_job_once_and_take_over_from_one_that_was_killed(
    database: str, tmp_path: Path
) -> None:
    replicated = await run_replicas(tmp_path, database, seconds=4)
    assert replicated.holds, replicated.as_json()


@pytest.mark.timeout(400)
async def test_an_edit_reaches_who_waits_for_it_and_nobody_else(database: str, tmp_path: Path) -> None:
    pushed = await push(tmp_path, database, recorders=40, replicas=2, edits=6)
    assert (pushed.arrived, pushed.news_for_nobody) == (6, 0)
