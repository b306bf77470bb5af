"""Where log events go: stderr in the form that was set, and `logs/client.log`, rotated, as JSON lines."""

import logging
import logging.handlers
import queue
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from recorder.redaction import redacted

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
WAITING_LINES = 10_000
# What these print at INFO are URLs, and an upload session's URL is a secret.
QUIET = ("httpx", "httpcore", "gcloud", "aiohttp", "asyncio", "uvicorn.error", "uvicorn.access", "libav")
_SESSION = re.compile(r"(upload_id=|/upload/[^\s\"']*/)[^\s\"'&]+", re.IGNORECASE)
_TOKEN = re.compile(r"\b(cf[rk]_)[A-Za-z0-9_-]{16,}")
_BEARER = re.compile(r"(bearer\s+)[^\s\"']+", re.IGNORECASE)


@contextmanager
def logging_to(folder: Path, *, level: str, form: str, secrets: tuple[str, ...] = ()) -> Iterator[None]:
    """Logs until the block ends; then every line is on its way to the disk.

    Lines pass through a queue, so that a slow disk never makes a camera's thread wait; a full one drops lines.
    """
    waiting: queue.Queue[Any] = queue.Queue(WAITING_LINES)
    before = _standard_processors(secrets)
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    handlers = [_handler(logging.StreamHandler(sys.stderr), console if form == "console" else _json(), before)]
    complaint = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        complaint = str(error)
    file = _LogFile(folder / "client.log", maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", delay=True)
    handlers.append(_handler(file, _json(), before))
    root = logging.getLogger()
    kept = root.handlers[:], root.level, logging.raiseExceptions
    listener = logging.handlers.QueueListener(waiting, *handlers)
    # A full log disk must not fill stderr with tracebacks of the logging itself.
    logging.raiseExceptions = False
    root.handlers, root.level = [_Enqueue(waiting)], logging.getLevelName(level)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    listener.start()
    try:
        if complaint:
            structlog.get_logger(__name__).warning("log_file_unusable", reason=complaint)
        yield
    finally:
        listener.stop()
        for handler in handlers:
            handler.close()
        root.handlers, root.level, logging.raiseExceptions = kept
        structlog.reset_defaults()


class Redaction:
    """A processor that takes credentials out of every text of an event."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = tuple(secret for secret in secrets if secret)

    def __call__(self, logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG002 - structlog's signature
        return {key: self._clean(value) for key, value in event.items()}

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {key: self._clean(held) for key, held in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(held) for held in value]
        if value is None or isinstance(value, bool | int | float):
            return value
        return self.text(str(value))

    def text(self, text: str) -> str:
        """The text without credentials."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _TOKEN.sub(r"\1***", _BEARER.sub(r"\1***", _SESSION.sub(r"\1***", redacted(text))))


def _standard_processors(secrets: tuple[str, ...]) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.stdlib.ExtraAdder(),
        Redaction(secrets),
    ]


def _json() -> Processor:
    return structlog.processors.JSONRenderer(default=str)


def _handler(handler: logging.Handler, renderer: Processor, before: list[Processor]) -> logging.Handler:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    return handler


class _LogFile(logging.handlers.RotatingFileHandler):
    """Writes as soon as its folder can be had, which after a start on a broken disk may be much later."""

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(parents=True, exist_ok=True)
        return super()._open()


class _Enqueue(logging.handlers.QueueHandler):
    """Passes events on as they are, and drops what a full queue can't take."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return
