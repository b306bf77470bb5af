"""Logs are events for machines or people, and secrets do not reach them by accident."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from control_plane.logs import configure_logs, without_secrets
from control_plane.security.tokens import new_api_key, new_client_token


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What goes to standard error, as JSON; logging is put back as it was."""
    root = logging.getLogger()
    handlers, level, before, written = root.handlers[:], root.level, structlog.get_config(), io.StringIO()
    monkeypatch.setattr("sys.stderr", written)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # as another server in this process may have left it
    configure_logs("INFO", "json")
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def lines(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_values(log: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r1"):
        structlog.get_logger("x").info("segment_stored", segments=3)
    [line] = lines(log)
    assert {name: line[name] for name in ("event", "segments", "request_id", "level")} == {
        "event": "segment_stored",
        "segments": 3,
        "request_id": "r1",
        "level": "info",
    }
    assert str(line["timestamp"]).endswith("Z")


def test_what_libraries_log_looks_the_same_and_debugging_is_left_out(log: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[36mStarted"})
    logging.getLogger("asyncio").debug("hidden")
    structlog.get_logger().debug("hidden")
    [line] = lines(log)
    assert (line["event"], line["level"]) == ("Started", "info")
    assert "color_message" not in line


def test_secrets_in_events_and_tracebacks_are_taken_out(log: io.StringIO) -> None:
    token, key = new_client_token().text, new_api_key().text
    password = "hunter@2"
    error = OSError(f"could not open rtsp://admin:{password}@192.168.1.20:554/s1")
    structlog.get_logger().error("failed", exc_info=error, token=token, header=f"Bearer {key}", at=f"x {token} y")
    text = log.getvalue()
    assert "rtsp://[credentials]@192.168.1.20:554/s1" in text
    for secret in (token, key, "hunter", "@2@"):
        assert secret not in text


@pytest.mark.parametrize(
    "text",
    ["https://cctv.example.com/a@b", "postgresql+asyncpg://host:5432/name", "a@b.c", "rtsp://192.168.1.20:554/s1"],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text
