"""The settings are what the template in `deploy` says they are."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import ValidationError

from control_plane.settings import Settings

TEMPLATE = Path(__file__).parents[2] / "deploy" / "control-plane.env.template"


def written() -> dict[str, str]:
    return dict(re.findall(r"^#? ?([A-Z_]+)=(.*)$", TEMPLATE.read_text(), re.MULTILINE))


def test_the_template_names_every_setting_and_no_other() -> None:
    assert list(written()) == [name.upper() for name in Settings.model_fields]


def test_the_template_shows_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in written():
        monkeypatch.delenv(name, raising=False)
    filled = tmp_path / "env"
    filled.write_text("".join(f"{name}={value}\n" for name, value in written().items()))
    assert Settings(_env_file=filled) == Settings(_env_file=None)


def test_each_setting_is_explained_in_the_line_above_it() -> None:
    lines = TEMPLATE.read_text().splitlines()
    for above, line in pairwise(lines):
        if re.match(r"#? ?[A-Z_]+=", line):
            assert re.fullmatch(r"# .{10,}\.", above), line


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.0.0.1, 10.1.0.0/16,")
    assert Settings(_env_file=None).trusted_proxies == ["10.0.0.1", "10.1.0.0/16"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOG_LEVEL", "LOUD"), ("LOG_FORMAT", "xml"), ("PORT", "99999"), ("DATABASE_POOL_SIZE", "0")],
)
def test_a_value_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings(_env_file=None)
