"""BookHandler: the hub's own log records on their way into the log book. Named by `settings.LOGGING`.

Imported while logging is set up, before any app is ready: nothing here knows a model. Below: `book`.
"""

from __future__ import annotations

import logging
import traceback

from activities.logs.book import LogBook
from mcphub.context import call_id, request_id
from mcphub.gateway.ports import Level, LogLine

#: Frames of a traceback that are kept: the innermost, where it failed.
_FRAMES = 8


class BookHandler(logging.Handler):
    """Writes records into a book, or the process's one."""

    def __init__(self, book: LogBook | None = None) -> None:
        super().__init__()
        self._book = book

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = LogLine(record.created, level_of(record.levelno), "hub", _text(record), call=call_id.get())
            (self._book or logbook()).write(line, request_id.get())
        except Exception:
            self.handleError(record)


def level_of(number: int) -> Level:
    """The log book's name for a level of `logging`."""
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


def _text(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text += "\n" + "".join(traceback.format_exception(record.exc_info[1], limit=-_FRAMES)).rstrip()
    return text


def logbook() -> LogBook:
    """The log book of this process."""
    return _BOOK


_BOOK = LogBook()
