"""Entry: one line as it is kept, carried between processes and shown; Wanted: which lines somebody asks for. Values.

Above: `book`, `relay`, the log routes. Below: the data plane's ports (levels).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from mcphub.gateway.ports import Level

#: Levels by weight, and by every name a request may use for them.
WEIGHT: dict[Level, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LEVELS: dict[str, Level] = {
    "debug": "debug", "info": "info", "warn": "warning", "warning": "warning", "error": "error"
}  # fmt: skip
#: What the contract calls a level.
TYPES: dict[Level, str] = {"debug": "debug", "info": "info", "warning": "warn", "error": "error"}


class Entry(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One line of the log book.

    Attributes:
        origin, number: the process that wrote it and its place among that process's lines; together they name it.
        time: epoch seconds. source: child, connection or hub. server: name, "" where none is concerned.
        call, request: ids that join it with activities and audit; "" outside of one.
    """

    origin: str
    number: int
    time: float
    level: Level
    source: str
    message: str
    server: str = ""
    call: str = ""
    request: str = ""

    def shown(self) -> dict[str, Any]:
        """The object of the REST contract, section 13, and what it does not know: id, server, call, request."""
        shown: dict[str, Any] = {
            "id": f"{self.origin}-{self.number:x}",
            "timestamp": int(self.time * 1000),
            "type": TYPES[self.level],
            "source": self.source,
            "message": self.message,
            "processId": self.origin,
        }
        for name, value in (("server", self.server), ("callId", self.call), ("requestId", self.request)):
            if value:
                shown[name] = value
        return shown


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter. Empty members do not filter.

    Attributes:
        level: the least one. servers, sources: any of them. text: part of the message, in any case.
    """

    level: Level = "debug"
    servers: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()
    text: str = ""

    def test(self) -> Callable[[Entry], bool]:
        """A function that tells whether an entry is wanted."""
        tests: list[Callable[[Entry], bool]] = []
        if self.level != "debug":
            least = WEIGHT[self.level]
            tests.append(lambda entry: WEIGHT[entry.level] >= least)
        if self.servers:
            tests.append(lambda entry: entry.server in self.servers)
        if self.sources:
            tests.append(lambda entry: entry.source in self.sources)
        if self.text:
            part = self.text.lower()
            tests.append(lambda entry: part in entry.message.lower())
        return lambda entry: all(test(entry) for test in tests)


EVERYTHING = Wanted()
