"""The boundary check catches what it is there for."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_LINTER = Path(sys.executable).with_name("lint-imports")


def test_an_import_across_the_services_is_found(tmp_path: Path) -> None:
    """The real packages with one forbidden import added, judged by the real settings."""
    for folder in ["shared/camfleet_contract", *(f"services/{name}/{name}" for name in _SERVICES)]:
        shutil.copytree(ROOT / folder, tmp_path / Path(folder).name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)

    assert _lint(tmp_path).returncode == 0

    (tmp_path / "recorder" / "shortcut.py").write_text("import control_plane.models\n")
    found = _lint(tmp_path)
    assert found.returncode == 1
    assert "recorder.shortcut" in found.stdout


_SERVICES = ["control_plane", "recorder", "camera_simulator"]


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IMPORT_LINTER, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
