"""The log: in the file, rotated, and never with a credential."""

import io
import json
import logging
from pathlib import Path

import pytest
import structlog

from recorder import logs
from recorder.logs import logging_to

TOKEN = "the-tokens-own-text"


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "client.log").read_text().splitlines()]


def fail(text: str) -> None:
    raise RuntimeError(text)


def test_events_of_ours_and_of_libraries_are_json_lines_in_the_file(tmp_path: Path) -> None:
    with logging_to(tmp_path, level="INFO", form="console"):
        structlog.get_logger("recorder.x").info("segment_sealed", camera_id="c", seconds=60.0)
        logging.getLogger("some.library").warning("it said %s", "so")
        structlog.get_logger("recorder.x").debug("unwanted")
    ours, theirs = lines(tmp_path)
    assert (ours["event"], ours["level"], ours["seconds"]) == ("segment_sealed", "info", 60.0)
    assert str(ours["timestamp"]).endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("it said so", "warning")


def test_no_way_into_the_log_lets_a_credential_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    session = "https://storage.googleapis.com/upload/storage/v1/b/x/o?uploadType=resumable&upload_id=SESSION-SECRET"
    with logging_to(tmp_path, level="DEBUG", form="json", secrets=(TOKEN,)):
        log = structlog.get_logger("recorder.x")
        log.info("a", url="rtsp://admin:pa-ss@10.0.0.2/1", held=[{"deep": f"Bearer {TOKEN}"}])
        log.info("b", uri=session, authorization="Bearer another-token")
        logging.getLogger("other").warning("open %s", "rtsp://admin:pa-ss@10.0.0.2/1")
        logging.getLogger("httpx").info("HTTP Request: PUT %s", session)
        try:
            fail(f"rtsp://admin:pa-ss@10.0.0.2/1 {session} {TOKEN}")
        except RuntimeError:
            log.exception("c")
            logging.getLogger("other").exception("d")
    written = (tmp_path / "client.log").read_text() + capsys.readouterr().err
    assert "RuntimeError" in written
    for secret in ("pa-ss", TOKEN, "another-token", "SESSION-SECRET"):
        assert secret not in written


def test_the_file_is_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 20_000)
    with logging_to(tmp_path, level="INFO", form="json"):
        for number in range(2000):
            structlog.get_logger("recorder.x").info("event", number=number)
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 1 + logs.FILES_KEPT
    assert max(sizes) <= 20_000


def test_a_folder_that_cannot_be_written_leaves_stderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs").write_text("in the way")
    errors = io.StringIO()
    monkeypatch.setattr("sys.stderr", errors)
    with logging_to(tmp_path / "logs", level="INFO", form="json"):
        structlog.get_logger("recorder.x").info("still_here")
    assert "log_file_unusable" in errors.getvalue()
    assert "still_here" in errors.getvalue()
