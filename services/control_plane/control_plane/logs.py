"""How the service logs: events with their values, as JSON or for a person's eyes, and never a secret."""

import logging
import re
import sys
from collections.abc import Callable, MutableMapping
from typing import Any, TextIO

import structlog

from control_plane.request_lines import RequestLine, short_way

_requests = structlog.get_logger("control_plane.requests")

# Tokens and keys as `security.tokens` makes them, credentials in URLs, and what stands in an Authorization header.
_SECRETS = (
    (re.compile(r"\bcf[rkaf]_[A-Za-z0-9_-]{6,}"), "[token]"),
    (re.compile(r"(?<=://)[^/\s'\"]*(?=@)"), "[credentials]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._-]{8,}"), r"\1 [token]"),
)


def configure_logs(level: str, log_format: str) -> None:
    """Send everything, also what libraries log, to standard error. `log_format` is `console` or `json`."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(sys.stderr)
    handler.write_request = short_way(log_format, sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_colours,
                # Plain text: prettier tracebacks show local variables, and those hold passwords.
                structlog.processors.format_exc_info,
                redact,
                _renderer(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "alembic", "sqlalchemy", "httpx", "aiohttp"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    # One line a request is enough, and ours has no query in it; "migrating" is said by the command; nobody needs to
    # know when a pool of connections was disposed of.
    for name in ("uvicorn.access", "httpx", "alembic", "sqlalchemy", "procrastinate"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The pool warns at each failed attempt to connect, with the connection's parameters; the worker says it once.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


class _Handler(logging.StreamHandler[TextIO]):
    """Writes to standard error; lines about requests also the short way."""

    write_request: Callable[[RequestLine], bool]


def log_request(line: RequestLine, *, is_quiet: bool) -> None:
    """Log one request; a quiet one only when everything is logged."""
    root = logging.getLogger()
    handler = root.handlers[0] if root.handlers else None
    if isinstance(handler, _Handler):
        if root.level > (logging.DEBUG if is_quiet else logging.INFO):
            return
        if not is_quiet and line.status and handler.write_request(line):
            return
    write = _requests.debug if is_quiet else _requests.info
    write(
        "request",
        method=line.method,
        path=line.path,
        status=line.status or None,
        milliseconds=line.milliseconds,
        address=line.address,
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take out what looks like a secret, as the last line of defence: whoever logs should not have put it in."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_secrets(value)
    return event


def _without_colours(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event.pop("color_message", None)  # uvicorn says everything twice
    return event


def without_secrets(text: str) -> str:
    """`text` with tokens, keys and the credentials of URLs replaced."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _renderer(log_format: str) -> structlog.typing.Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(default=str)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
