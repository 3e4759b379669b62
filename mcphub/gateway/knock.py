"""Knock: one HTTP request that may come in; the app has settled who asks and which door is meant.

Above: the endpoints, `app`. Below: `inquiry`, `http`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mcphub.gateway.catalog import Catalog
from mcphub.gateway.errors import NotAcceptable, WrongContentType
from mcphub.gateway.http import JSON, HeaderLines, Headers, Receive, Scope, Send
from mcphub.gateway.principal import Principal

#: What `Accept` values admit, as (JSON, events); there are few of them, and each is read once.
_accepted: dict[bytes, tuple[bool, bool]] = {}
_MOST_ACCEPTED = 512


@dataclass(slots=True)
class Knock:
    """See the module.

    Attributes:
        target: the path segment that names a group or server, "" for everything.
        catalog: what is behind the door for this principal; `look` finds it again in a later snapshot (None: closed).
        mount: what the path begins with: the base path and, on user-scoped routes, the user.
        extra: header lines for every response (CORS).
    """

    scope: Scope
    headers: Headers
    receive: Receive
    send: Send
    principal: Principal
    target: str
    look: Callable[[], Catalog | None]
    catalog: Catalog
    mount: str
    address: str
    body_limit: int
    extra: HeaderLines = ()

    def accepts(self) -> tuple[bool, bool]:
        """Whether the client takes JSON, and event streams. Without the header it takes anything."""
        value = self.headers.get(b"accept", b"*/*")
        found = _accepted.get(value)
        if found is None:
            kinds = {part.partition(b";")[0].strip().lower() for part in value.split(b",")}
            found = (
                bool(kinds & {b"application/json", b"application/*", b"*/*"}),
                bool(kinds & {b"text/event-stream", b"text/*", b"*/*"}),
            )
            if len(_accepted) < _MOST_ACCEPTED:
                _accepted[value] = found
        return found

    def require_forms(self, *, body: bool) -> None:
        """Refuse clients that exclude a form the answer may take, and bodies that are not announced as JSON."""
        if self.accepts() != (True, True):
            raise NotAcceptable()
        if body:
            kind = self.headers.get(b"content-type", b"")
            if kind != JSON and kind.partition(b";")[0].strip().lower() != JSON:
                raise WrongContentType()
