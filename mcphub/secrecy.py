"""The secrets that are configured in this hub, so that they are hidden wherever they turn up: log, activities, stdout.

`mcphub.masking` knows what secrets look like; this module knows which ones there are. The hub teaches it with every
snapshot. Secrets belong to a server: what a server says is searched for its own, which is a handful of substring
searches; what nobody's server says (the hub's own lines) is searched for all of them.
Above: the log book, the call sink, the lines on stdout. Below: `masking`, the snapshot.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from mcphub.gateway.snapshot import HttpSpec, OpenApiSpec, ServerSpec, Snapshot, StdioSpec
from mcphub.masking import MASK, is_reference, is_secret_name, scrubbed

#: Shorter values occur in ordinary text by chance.
SHORTEST = 6
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|ApiKey)\s+", re.IGNORECASE)
#: A value without a telling name counts when it can hardly be a word, a path, a number or an address.
_RANDOM = re.compile(r"(?=[^\s/\\]*\d)(?=[^\s/\\]*[A-Za-z])[\w+=~-]{16,}")
_HARMLESS_HEADERS = frozenset(
    ("accept", "accept-language", "accept-encoding", "content-type", "user-agent", "host", "origin", "referer")
)


class Secrecy:
    """See the module. `learn` runs on the hub's loop, `hide` on any thread: the maps are replaced, never changed."""

    def __init__(self) -> None:
        self._by_spec: dict[str, tuple[ServerSpec, frozenset[str]]] = {}
        self._of: dict[str, tuple[str, ...]] = {}
        self._all: tuple[str, ...] = ()

    def learn(self, snapshot: Snapshot) -> None:
        """Take over the secrets of a snapshot; servers that did not change are not looked at again."""
        known = self._by_spec
        self._by_spec = {
            name: known[name] if name in known and known[name][0] is spec else (spec, secrets_of(spec))
            for name, spec in snapshot.servers.items()
        }
        # Longest first: a secret may be the beginning of another one.
        self._of = {name: _longest_first(secrets) for name, (_, secrets) in self._by_spec.items() if secrets}
        self._all = _longest_first(frozenset[str]().union(*(secrets for _, secrets in self._by_spec.values())))

    def hide(self, text: str, server: str = "") -> str:
        """The text without any known secret (those of `server`, or all where none is named) and secret shape."""
        return scrubbed(self.hide_known(text, server))

    def hide_known(self, text: str, server: str = "") -> str:
        """The text without known secrets only."""
        for secret in self._known(server):
            if secret in text:
                text = text.replace(secret, MASK)
        return text

    def _known(self, server: str) -> tuple[str, ...]:
        return self._of.get(server, ()) if server else self._all


#: What this process knows.
secrecy = Secrecy()


def secrets_of(server: ServerSpec) -> frozenset[str]:
    """Everything in a server's settings that must not be read by anyone, as it may turn up in a text."""
    return frozenset(_usable(_configured(server.spec)))


def _configured(spec: StdioSpec | HttpSpec | OpenApiSpec) -> Iterator[str]:
    if isinstance(spec, StdioSpec):
        yield from _named(spec.env)
        yield from _arguments(spec.args)
        if spec.proxy is not None:
            yield spec.proxy.password
        return
    yield from _in_address(spec.url)
    for name, value in spec.headers.items():
        if name.lower() not in _HARMLESS_HEADERS:
            yield value
    if isinstance(spec, HttpSpec):
        yield from _named(spec.env)
    else:
        yield from _within(spec.security)
        yield from _within(spec.spec_security)


def _named(values: Mapping[str, str]) -> Iterator[str]:
    for name, value in values.items():
        if is_secret_name(name) or _RANDOM.fullmatch(value):
            yield value
        yield from _in_address(value)


def _arguments(arguments: Iterable[str]) -> Iterator[str]:
    flagged = False
    for argument in arguments:
        name, assigned, value = argument.partition("=")
        if flagged or _RANDOM.fullmatch(argument):
            yield argument
        if assigned and is_secret_name(name):
            yield value
        yield from _in_address(argument)
        flagged = argument.startswith("-") and not assigned and is_secret_name(argument)


def _in_address(text: str) -> Iterator[str]:
    if "://" not in text:
        return
    try:
        parts = urlsplit(text)
        yield from (part for part in (parts.password, unquote(parts.password or "")) if part)
        yield from (value for name, value in parse_qsl(parts.query) if is_secret_name(name) or name.lower() == "key")
    except ValueError:  # not an address after all
        return


def _within(value: Any, secret: bool = False) -> Iterator[str]:
    """Strings of a security object under telling names; `value`, `token` and `key` hold the secret itself there."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _within(member, secret or is_secret_name(str(name)) or name in ("value", "token", "key"))
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _within(member, secret)
    elif isinstance(value, str) and (secret or _RANDOM.fullmatch(value)):
        yield value


def _usable(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        bare = _SCHEME.sub("", value, count=1).strip()
        if is_reference(value):
            continue
        # Log lines hold one line of a key that has many.
        for form in {bare, *bare.splitlines(), json.dumps(bare)[1:-1]}:
            if len(form.strip()) >= SHORTEST:
                yield form.strip()


def _longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(secrets, key=len, reverse=True))
