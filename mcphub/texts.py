"""Texts that every database stores: JSON allows two kinds of characters that PostgreSQL or UTF-8 do not.

Above: the checks of every app. Below: nothing.
"""

from __future__ import annotations


def is_storable(text: str) -> bool:
    """Whether a text has neither NUL characters nor lone surrogates."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def findable(text: str) -> str:
    """A text that may be looked up: an unstorable one becomes one that matches nothing."""
    return text if is_storable(text) else "\ufffd"
