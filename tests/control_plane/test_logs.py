"""Logs are events for machines or people, and secrets do not reach them by accident."""

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest
import structlog

from control_plane.logs import configure_logs, log_request, without_secrets
from control_plane.request_lines import RequestLine
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


LINES = {
    "plain": RequestLine("POST", "/v0/api/local-client/heartbeat", 200, 12.3, "127.0.0.1", "01a204c3029b76e8"),
    "an odd path": RequestLine("GET", "/a b'c=d\"\u2713", 404, 0.1, "::1", "r1"),
    "a token in it": RequestLine("GET", f"/{new_client_token().text}", 404, 0.1, "::1", "r1"),
    "no answer": RequestLine("GET", "/health/", 0, 0.1, "", "r1"),
}


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("name", LINES)
def test_a_line_about_a_request_is_the_same_the_short_way(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch, log_format: str, name: str
) -> None:
    monkeypatch.setattr("sys.stderr", log)
    configure_logs("INFO", log_format)
    line = LINES[name]
    with structlog.contextvars.bound_contextvars(request_id=line.request_id):
        log_request(line, is_quiet=False)
        structlog.get_logger("control_plane.requests").info(
            "request",
            method=line.method,
            path=line.path,
            status=line.status or None,
            milliseconds=line.milliseconds,
            address=line.address,
        )
        log_request(line, is_quiet=True)
    short, long = log.getvalue().splitlines()
    stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
    assert stamp.sub("", short) == stamp.sub("", long)
    assert len(stamp.findall(short)) == 1
    assert "cfr_" not in short
