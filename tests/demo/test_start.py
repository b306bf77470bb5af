"""What the demo refuses before it starts anything, and what it leaves alone."""

import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from demo.grounds import ground, require_free
from demo.main import main
from demo.processes import DemoError


def test_the_default_folder_begins_empty_and_one_that_was_named_keeps_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "bucket" / "old").mkdir(parents=True)
    (tmp_path / "recorder.log").write_text("earlier")
    with ground(tmp_path, empty=False) as folder:
        assert {entry.name for entry in folder.iterdir()} == {"bucket", "recorder.log"}
    with ground(tmp_path, empty=True) as folder:
        assert list(folder.iterdir()) == []


def test_a_second_demo_leaves_the_folder_of_the_first_alone(tmp_path: Path) -> None:
    with ground(tmp_path, empty=True) as folder:
        (folder / "footage").touch()
        with pytest.raises(DemoError, match="another demo runs"), ground(tmp_path, empty=True):
            pass
        assert (folder / "footage").exists()
    with ground(tmp_path, empty=True) as folder:
        assert not (folder / "footage").exists()


def test_a_folder_that_is_a_file_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DemoError, match="--data"), ground(tmp_path / "file", empty=False):
        pass


def test_a_port_that_is_taken_is_named_with_its_option() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=rf"port {port} .* --recorder-port"):
            require_free({"--recorder-port": port})
    with pytest.raises(DemoError, match="must be different"):
        require_free({"--port": port, "--recorder-port": port})


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--camera", "http://camera.example"], "begins with rtsp://"),
        (["--camera", "rtsp://"], "begins with rtsp://"),
        (["--port", "65536"], "65535"),
        (["--cameras", "0"], "greater"),
        (["--for", "1"], "greater"),
        (["--json", "."], "can't be written"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_starts(arguments: list[str], complaint: str) -> None:
    app = typer.Typer(add_completion=False)
    app.command()(main)
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert complaint in result.output
