"""What a benchmark's figures say of their goals."""

from bench.results import compared, limited


def test_a_goal_beside_a_ratio_is_the_ratios() -> None:
    assert compared("cpu", 4, "ms/s", 10, goal=0.55).holds is True
    assert compared("cpu", 6, "ms/s", 10, goal=0.55).holds is False


def test_a_goal_without_a_ratio_is_the_values_whatever_stands_beside_it() -> None:
    result = limited("start", 4.5, "s", 5, reference=0.5)
    assert (result.holds, result.ratio, result.reference) == (True, None, 0.5)
    assert limited("start", 5.5, "s", 5, reference=50).holds is False
