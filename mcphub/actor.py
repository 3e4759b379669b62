"""Who acts: the value that every action takes as `actor`, and the two facts that policies ask of anyone.

Above: the apps, their doors. Below: nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


class Viewer(Protocol):
    """Anyone whom a policy judges: an Actor, a User, a Principal of the data plane."""

    @property
    def username(self) -> str | None: ...

    @property
    def is_admin(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes something, and by which way.

    Attributes:
        username: the name changes are owned by and audited under ("system" for system keys, jobs and the hub itself).
        via: session (a signed-in user), key (a bearer key), command (the command line), hub (the hub of its own).
        key_id, key_name: the bearer key's where one was used.
        address: where the request came from; "" where there was none.
        request: id of the request, joining audit, log and call records.
    """

    username: str
    is_admin: bool = False
    via: Literal["session", "key", "command", "hub"] = "session"
    key_id: str | None = None
    address: str = ""
    request: str = ""
    key_name: str | None = None


#: The hub acting on its own: start-up, jobs, upstreams.
HUB = Actor("system", is_admin=True, via="hub")
#: Someone at the command line of the machine.
COMMAND = Actor("system", is_admin=True, via="command")
