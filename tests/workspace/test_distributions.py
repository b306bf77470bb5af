"""Each distribution installs and imports alone, in a virtual environment of its own."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "camfleet_contract": ROOT / "shared",
    "control_plane": ROOT / "services" / "control_plane",
    "recorder": ROOT / "services" / "recorder",
    "camera_simulator": ROOT / "services" / "camera_simulator",
}
COMMANDS = {"control_plane": "control-plane", "recorder": "recorder", "camera_simulator": "camera-simulator"}

# Imports every module of one package and names, of the other packages, what could be imported too.
PROBE = """
import importlib, importlib.util, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    parts = module.name.split(".")
    if "migrations" not in parts and parts[-1] != "__main__":
        importlib.import_module(module.name)
print(*[name for name in sys.argv[2:] if importlib.util.find_spec(name)])
"""


def run(*command: object, cwd: Path) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_wheel(package: str, into: Path) -> Path:
    before = set(into.glob("*.whl"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", into, FOLDERS[package], cwd=into)
    (wheel,) = set(into.glob("*.whl")) - before
    return wheel


@pytest.mark.timeout(600)  # three environments are installed from the locks
@pytest.mark.parametrize("package", list(COMMANDS))
def test_a_service_installs_and_imports_alone(package: str, tmp_path: Path) -> None:
    # A camera knows nothing of the contract.
    packages = [package] if package == "camera_simulator" else ["camfleet_contract", package]
    wheels = [build_wheel(name, tmp_path) for name in packages]
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command = COMMANDS[package]
    run(*pip, "install", "--require-hashes", "-r", ROOT / "requirements" / f"{command}.txt", cwd=tmp_path)
    run(*pip, "install", "--no-deps", "--no-index", *wheels, cwd=tmp_path)

    run(python, "-m", "pip", "check", cwd=tmp_path)
    others = [name for name in COMMANDS if name != package]
    assert run(python, "-c", PROBE, package, *others, cwd=tmp_path).split() == []
    assert "Usage" in run(environment / "bin" / command, "--help", cwd=tmp_path)


@pytest.mark.timeout(300)
def test_the_contract_imports_with_pydantic_alone(tmp_path: Path) -> None:
    wheel = build_wheel("camfleet_contract", tmp_path)
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    # The versions of the lock, of which the contract needs the fewest.
    run(*pip, "install", "--constraint", constraints(tmp_path), wheel, cwd=tmp_path)
    assert run(python, "-c", PROBE, "camfleet_contract", *COMMANDS, cwd=tmp_path).split() == []


def constraints(folder: Path) -> Path:
    """The development lock's pins without hashes, which pip does not accept beside a local wheel."""
    pins = [
        line.split(" \\")[0]
        for line in (ROOT / "requirements" / "development.txt").read_text().splitlines()
        if "==" in line and not line.lstrip().startswith(("#", "--"))
    ]
    file = folder / "constraints.txt"
    file.write_text("\n".join(pins))
    return file
