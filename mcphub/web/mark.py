"""A mark of what the hub shows at this moment: pages carry it, and the live stream compares it when it is opened.

Between a page's making and its stream's first look something may have changed, of which nobody would tell the page.
The same in every process of the hub. Above: `answers`, the live stream. Below: `mcphub.plane`.
"""

from __future__ import annotations

import zlib

from mcphub import plane


def mark() -> str:
    """The snapshot's revision and a sum over the states of all connections; "" where no hub runs."""
    hub = plane.current()
    if hub is None:
        return ""
    states = sorted((key, str(told.get("state")), told.get("attempt")) for key, told in hub.states().items())
    return f"{hub.snapshot.revision}.{zlib.crc32(repr(states).encode()):x}"
