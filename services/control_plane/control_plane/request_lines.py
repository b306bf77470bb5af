"""The log's line about a request, written the short way: the same line as structlog's.

A line a request is most of what a busy service logs, and structlog, logging and the search for secrets in free text are
made for what is rarer. What is not plain goes the long way.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

# Nothing that a renderer would quote, and nothing that could hold a secret's form but a token.
_PLAIN = re.compile(r"[A-Za-z0-9._/:-]*")
_TOKEN = re.compile(r"\bcf[rk]_")


@dataclass(frozen=True, slots=True)
class RequestLine:
    """What is told of one request."""

    method: str
    path: str
    status: int
    milliseconds: float
    address: str
    request_id: str

    @property
    def is_plain(self) -> bool:
        """Whether every log format shows it as it is."""
        return all(
            _PLAIN.fullmatch(text) and not _TOKEN.search(text)
            for text in (self.method, self.path, self.address, self.request_id)
        )


def as_json(line: RequestLine, now: datetime) -> str:
    """The line of LOG_FORMAT=json."""
    return json.dumps(
        {
            "method": line.method,
            "path": line.path,
            "status": line.status,
            "milliseconds": line.milliseconds,
            "address": line.address,
            "event": "request",
            "request_id": line.request_id,
            "level": "info",
            "timestamp": _stamp(now),
        }
    )


def as_text(line: RequestLine, now: datetime) -> str:
    """The line of LOG_FORMAT=console, without colours."""
    return (
        f"{_stamp(now)} [info     ] request                        address={line.address} method={line.method} "
        f"milliseconds={line.milliseconds} path={line.path} request_id={line.request_id} status={line.status}"
    )


def short_way(log_format: str, stream: TextIO) -> Callable[[RequestLine], bool]:
    """Writes a line to `stream`; False if it is not plain, or is to be coloured."""
    render = as_json if log_format == "json" else as_text

    def write(line: RequestLine) -> bool:
        if not line.is_plain or (render is as_text and stream.isatty()):
            return False
        stream.write(render(line, datetime.now(UTC)) + "\n")
        stream.flush()
        return True

    return write


def _stamp(now: datetime) -> str:
    return now.isoformat().replace("+00:00", "Z")
