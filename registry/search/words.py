"""Texts to plain words: lower case, no accents, camelCase split, each Chinese or Japanese character a word of its own.

Done here and not by the databases, whose tokenisers differ (PostgreSQL takes `io.github.user` for a host name).
Above: the engines. Below: nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
#: More words than anyone types, and a bound on what a request can cost.
MOST_WORDS = 12
_LONGEST = 60


def words_of(text: str) -> list[str]:
    """The words of a text, in order."""
    split = text if text.islower() else _CAMEL.sub(" ", text) + " " + text
    if not split.isascii():
        plain = unicodedata.normalize("NFKD", split)
        split = unicodedata.normalize("NFC", "".join(one for one in plain if not unicodedata.combining(one)))
    return [word[:_LONGEST] for word in _WORD.findall(split.lower())]


def joined(texts: Iterable[str]) -> str:
    """All words of some texts, each once, as one line for an index."""
    return " ".join(dict.fromkeys(word for text in texts for word in words_of(text)))


def terms_of(text: str) -> list[str]:
    """The words that someone searches for, each once; all must be met, each may be the beginning of a word."""
    return list(dict.fromkeys(_WORD.findall(_plain(text))))[:MOST_WORDS]


def facet(kind: str, value: str) -> str:
    """A filter's value as a word of the index that nobody types, so that the engine can narrow by it.

    Two values may share one; whoever narrows by it must still compare the value itself.
    """
    return f"zq{kind}{re.sub(r'[^a-z0-9]+', '', value.lower())}"[:_LONGEST]


def _plain(text: str) -> str:
    return " ".join(word for word in words_of(text[:500].lower()))
