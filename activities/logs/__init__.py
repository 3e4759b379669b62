"""The log book: what the servers, their connections and the hub itself have to say, from all processes.

    entries   one line, and a filter of lines
    floods    how many lines a server may write
    book      LogBook: the bounded ring, its readers, cursors
    relay     LogRelay: lines between processes, through the Channels layer
    records   the hub's own log records on their way into the book
    streaming how a reader is fed: first lines, resume, heartbeat, gaps
    events    the same as server-sent events

Above: `hub`, the routes, the websocket. Below: the data plane's ports, `mcphub.secrecy`.
"""

from __future__ import annotations

from activities.logs.book import LogBook
from activities.logs.entries import EVERYTHING, Entry, Wanted
from activities.logs.records import BookHandler, logbook
from activities.logs.relay import LogRelay

__all__ = ["EVERYTHING", "BookHandler", "Entry", "LogBook", "LogRelay", "Wanted", "logbook"]
