"""The cameras that benchmarks record."""

from bench.simulation import GOP_SECONDS, PICTURES_PER_SECOND, specs
from camera_simulator.options import parse_camera


def test_no_two_cameras_send_their_keyframes_at_one_moment() -> None:
    phases = sorted(parse_camera(spec).phase_seconds for spec in specs(64))
    gaps = [after - before for before, after in zip(phases, [*phases[1:], phases[0] + GOP_SECONDS], strict=True)]
    assert min(gaps) > 0.01
    assert len({round(phase * PICTURES_PER_SECOND % 1, 1) for phase in phases}) == 10
