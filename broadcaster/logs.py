"""Logging: events with names and ids, as JSON lines or for people; never numbers or texts."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from broadcaster.settings import Log

# Whatever looks like a phone number is hidden, should one ever get this far.
_NUMBER = re.compile(r"(\+|whatsapp:\+?)[0-9]{5,}([0-9]{4})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(log: Log) -> None:
    """Send everything that is logged, by us or by libraries, to standard error in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        hide_numbers,
        keep_to_one_line,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = _ToStandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(log.level)
    # These log what is sent, every migration looked at, every request that waits a moment, or every
    # chunk.
    for name in ("twilio", "alembic", "waitress.queue", "aiohttp.access", "procrastinate"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A tick that finds the last one still at work is left out; that is meant, and no warning.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Writes to standard error, also where that is another one by now than when this was made."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one event."""
        if self.stream.closed:
            self.stream = sys.stderr
        super().emit(record)


def hide_numbers(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask phone numbers in every text of an event."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _NUMBER.sub(r"\1•••\2", value)
    return event


def keep_to_one_line(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Write out control characters in an event's words: no library's message forges a line.

    Other values are quoted where they are rendered.
    """
    words = event.get("event")
    if isinstance(words, str):
        event["event"] = _CONTROL.sub(_written_out, words)
    return event


def _written_out(found: re.Match[str]) -> str:
    return found.group().encode("unicode_escape").decode("ascii")
