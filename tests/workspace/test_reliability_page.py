"""docs/reliability.md names the test behind each of its rows; a name that no test has would prove nothing."""

import re
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
NAME = re.compile(r"`(test_\w+)`")
COLUMNS = 4


def test_every_row_names_a_test_that_there_is() -> None:
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8"))
    }
    rows = _rows()
    assert rows
    for row in rows:
        assert len(row) == COLUMNS, row
        assert all(row), f"an empty cell: {row}"
        names = NAME.findall(row[-1])
        assert names, f"no test is named: {row}"
        assert set(names) <= defined, f"no such test: {set(names) - defined}"


def _rows() -> list[list[str]]:
    """The cells of all rows below the tables' heads."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    heads = {line for line, rule in pairwise(lines) if rule.startswith("|---")}
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if line.startswith("|") and not line.startswith("|---") and line not in heads
    ]
