"""The locks: hashed, free of index hosts, and in agreement with each other."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
SERVICES = ["camera-simulator", "control-plane", "recorder"]


def pins(lock: Path) -> dict[str, set[str]]:
    """Every pinned package with its versions: there are several where the Python version decides."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9-]+)(?:\[[^\]]*\])?==([^\s;]+)", lock.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_has_hashes_and_no_index_host_is_named(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "--index-url" not in text
    requirements = re.split(r"\n(?=[a-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    assert all("--hash=sha256:" in requirement for requirement in requirements)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_runs_on_the_versions_that_were_tested(service: str) -> None:
    tested = pins(ROOT / "requirements" / "development.txt")
    shipped = pins(ROOT / "requirements" / f"{service}.txt")
    assert shipped
    assert {name: versions for name, versions in shipped.items() if not versions <= tested.get(name, set())} == {}


def test_a_recorder_box_carries_no_console_and_the_control_plane_no_camera_code() -> None:
    recorder = pins(ROOT / "requirements" / "recorder.txt")
    control_plane = pins(ROOT / "requirements" / "control-plane.txt")
    assert not {"sqladmin", "sqlalchemy", "asyncpg", "alembic"} & recorder.keys()
    assert "av" not in control_plane
