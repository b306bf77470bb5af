"""The demo's children and what they print."""

from pathlib import Path

from demo.processes import start


async def test_what_an_earlier_run_left_in_a_log_is_not_taken_for_this_one(tmp_path: Path) -> None:
    for camera in ("one", "other"):
        child = await start(
            "camera simulator", "camera-simulator", "serve", "--camera", camera, "--port", "x", env={}, folder=tmp_path
        )
        assert await child.process.wait() == 2
        assert child.printed.count("Usage:") == 1
    assert child.log.read_text().count("Usage:") == 2
