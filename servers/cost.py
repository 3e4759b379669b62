"""What an item's definition costs in a model's context: an estimate in tokens, without any tokenizer's table.

Tokenizers of the GPT family first cut a text into words, runs of at most three digits, runs of punctuation and white
space; most pieces are one token, and rarer ones are a few. That cutting is public and is done alike here; what a
piece costs is estimated from its kind and length (see `_piece`), and checked against the few texts whose cost in
cl100k is published. English and JSON come out close, other scripts rougher. The same function counts everywhere, so
numbers can be compared with each other. Pure. Above: the API, the dashboard, `imports`. Below: the gateway's values.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from mcphub.gateway.inventory import Item
from mcphub.gateway.snapshot import Offer, ServerSpec

#: As cl100k cuts: contractions, words with one mark before them, digits, punctuation, line ends, white space.
_PIECES = re.compile(
    r"'(?:[sdmt]|ll|ve|re)|[^\r\n\w]?(?:[^\W\d_])+|_(?:[^\W\d_])+|\d{1,3}| ?(?:[^\s\w]|_)+[\r\n]*|\s*[\r\n]+|\s+",
    re.IGNORECASE,
)
#: The parts of a word that begin with a capital: `additionalProperties` is two.
_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
#: Up to this length an English word is usually one token; longer ones fall apart into pieces of about five letters.
_WHOLE_WORD = 14
#: The members that clients put before a model.
_SHOWN = ("name", "title", "description", "inputSchema", "arguments", "uri", "mimeType")
_KEPT = 50_000

_canonical = msgspec.json.Encoder().encode


#: By server key: the spec a sum was made of, the separator, and the sum. Specs of a snapshot are shared, not copied.
_sums: dict[str, tuple[ServerSpec, str, int]] = {}


@dataclass(frozen=True, slots=True)
class ItemCost:
    """One item's cost in tokens, under the name clients see."""

    kind: str
    name: str
    cost: int
    enabled: bool


def tokens(text: str) -> int:
    """The estimated number of tokens of a text."""
    return sum(_piece(found[0]) for found in _PIECES.finditer(text))


def server_costs(server: ServerSpec, separator: str) -> list[ItemCost]:
    """Every tool, prompt and resource of a server."""
    return [
        ItemCost(offer.item.kind, name, cost_of(offer, name), offer.enabled)
        for offer, name in _named(server, server.name + separator)
    ]


def cost_of(offer: Offer, name: str) -> int:
    """One item's cost under the name (of a tool or prompt) that clients see."""
    return _cost(_Definition(offer.item), name, offer.description)


def tools_cost(server: ServerSpec, separator: str) -> int:
    """The tools of a server that are switched on; remembered until something of the server changes."""
    found = _sums.get(server.key)
    if found is None or found[0] is not server or found[1] != separator:
        prefix = server.name + separator
        cost = sum(cost_of(offer, prefix + offer.item.key) for offer in server.tools if offer.enabled)
        if len(_sums) >= _KEPT:
            _sums.clear()
        found = _sums[server.key] = (server, separator, cost)
    return found[2]


def _named(server: ServerSpec, prefix: str) -> Iterator[tuple[Offer, str]]:
    for offers in (server.tools, server.prompts):
        yield from ((offer, prefix + offer.item.key) for offer in offers)
    yield from ((offer, offer.item.key) for offer in server.resources)


class _Definition:
    """An item that is told apart by its fingerprint, so that a remembered cost outlives the item's copies."""

    __slots__ = ("item",)

    def __init__(self, item: Item) -> None:
        self.item = item

    def __hash__(self) -> int:
        return hash(self.item.fingerprint)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Definition) and other.item.fingerprint == self.item.fingerprint


@functools.lru_cache(maxsize=_KEPT)
def _cost(definition: _Definition, name: str, description: str | None) -> int:
    members: dict[str, Any] = msgspec.json.decode(definition.item.definition)
    if definition.item.kind in ("tool", "prompt"):
        members["name"] = name
    if description is not None:
        members["description"] = description
    shown = {member: members[member] for member in _SHOWN if member in members}
    return tokens(_canonical(shown).decode())


def total(costs: Iterable[ItemCost], *, enabled_only: bool = False) -> int:
    """The sum over items; `enabled_only` leaves out what is hidden."""
    return sum(one.cost for one in costs if one.enabled or not enabled_only)


def _piece(piece: str) -> int:
    core = piece.lstrip(" ")
    if not core:
        return 1
    if core.isdigit():
        return 1
    letters = sum(character.isalpha() for character in core)
    if not letters:
        return -(-len(core) // 4)
    if core.isascii():
        return sum(_word(part) for part in _HUMPS.findall(core)) or 1
    # Letters beyond ASCII are two or three bytes each: about a token for an ideograph, half of one in other scripts.
    wide = sum(character >= "⺀" for character in core)
    return max(1, wide + -(-(letters - wide) // 2))


def _word(part: str) -> int:
    if len(part) > 1 and part.isupper():
        return -(-len(part) // 4)
    return 1 if len(part) <= _WHOLE_WORD else -(-len(part) // 5)
