"""What is secret, how it is hidden in readings, and how a hidden value that comes back is found again.

Pure functions on JSON values and texts. Two kinds of knowledge: names (`clientSecret`, `X-Api-Key`), which hide the
value they stand for, and shapes (`Bearer …`, a JWT, a password in an address), which are hidden wherever they occur.
Above: exports, audit, sink, log book, REST readings. Below: `errors`.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

import re2

from mcphub.errors import InvalidInput

MASK = "********"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset(
    {
        "password", "passwd", "passphrase", "pwd", "secret", "token", "apikey", "authorization",
        "auth", "cookie", "credential", "credentials", "jwt", "bearer", "verifier", "signature",
    }
)  # fmt: skip
#: `key` alone names many harmless things; after these words it names a secret.
_KEYS = frozenset(
    {
        "api", "access", "private", "secret", "encryption", "signing", "service", "account", "auth",
        "license", "master",
    }
)  # fmt: skip
#: A name that ends so speaks about a secret, or counts it, without holding it.
_HARMLESS_ENDS = frozenset(
    {
        "url", "uri", "endpoint", "limit", "count", "lifetime", "name", "type", "enabled", "id",
        "method", "header", "timeout", "ttl", "model", "expires", "at", "path", "field", "fields",
        "min", "max", "usage", "scheme", "file",
    }
)  # fmt: skip

# Shapes are looked for only where their `clue` occurs, and begin at a word's beginning: payloads are masked by the
# thousand a second, and a pattern that may start at every letter of a long word costs its length squared.
_SHAPES = (
    (" ", re.compile(r"\b(Bearer|Basic|Token)\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE), r"\1 " + MASK),
    ("eyJ", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?"), MASK),
    ("mcphub_", re.compile(r"\bmcphub_[0-9a-fA-F]{16,}"), MASK),
    ("k-", re.compile(r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"), MASK),
    ("_", re.compile(r"\b(?:gh[pousr]_|github_pat_|npm_|hf_)[A-Za-z0-9_-]{10,}"), MASK),
    ("-", re.compile(r"\b(?:glpat-|xox[abeoprs]-)[A-Za-z0-9_-]{10,}"), MASK),
    ("IA", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), MASK),
    ("AIza", re.compile(r"\bAIza[\w-]{30,}"), MASK),
    (
        "PRIVATE KEY",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
        MASK,
    ),
    ("://", re.compile(r"(?<![\w+.-])(\w[\w+.-]{0,30}://[^\s/:@]*:)[^\s/@]+(@)"), rf"\g<1>{MASK}\2"),
)
_NAMED = re.compile(r"""(?<!\w)([A-Za-z][\w.-]{0,99})(["']?\s*[=:]\s*["']?)""")
_VALUE = re.compile(r"""(?:\$\{[^}]*\}|[^\s"'&,;}])+""")
#: Without any of these, in whatever case, a text has nothing to hide: what every secret word and every shape contains.
#: JSON may also write any letter, and a slash, behind a backslash.
#: By RE2, as payloads come by the thousand a second: it reads each byte once and lets other threads work meanwhile.
_CLUES = re2.compile(
    rb"(?i)pass|pwd|secret|token|key|auth|cookie|credential|jwt|bearer|basic|verifier|signature|eyj|xox|akia|asia|aiza"
    rb"|://|mcphub_|gh[pousr]_|github_|npm_|hf_|k-|glpat-|\\[u/]"
)
_REFERENCE = re.compile(r"(?:\$\{[^}]+\}|\$[A-Z_][A-Z0-9_]*)")


def is_secret_name(name: str) -> bool:
    """Whether what stands under this name should be hidden."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _HARMLESS_ENDS:
        return False
    if any(word in _SECRET_WORDS for word in words) or "".join(words) in _SECRET_WORDS:
        return True
    return any(second == "key" and first in _KEYS for first, second in itertools.pairwise(words))


def is_reference(text: str) -> bool:
    """Whether a text only names variables (`${TOKEN}`, `Bearer ${TOKEN}`) and so holds no secret of its own."""
    rest = _REFERENCE.sub("", text).strip()
    return rest != text.strip() and rest.lower() in ("", "bearer", "basic", "token")


def hidden(text: str) -> str:
    """The mask, or the text itself where there is nothing to hide."""
    return text if not text or is_reference(text) else MASK


def is_harmless(text: str) -> bool:
    """Whether a text surely holds no secret that names or shapes tell; a look that costs far less than masking."""
    return _CLUES.search(text.encode(errors="replace")) is None


def suspicious(texts: Sequence[bytes]) -> set[int]:
    """The numbers of those texts that are not harmless, found in one look at all of them."""
    found: set[int] = set()
    whole = b"\n".join(texts)
    ends = list(itertools.accumulate(len(text) + 1 for text in texts))
    at = 0
    while (clue := _CLUES.search(whole, at)) is not None:
        number = bisect_right(ends, clue.start())
        found.add(number)
        at = ends[number]
    return found


def scrubbed(text: str) -> str:
    """A text without what looks like a secret in it: known shapes, and values after secret names (`password=…`)."""
    if is_harmless(text):
        return text
    for clue, shape, replacement in _SHAPES:
        if clue in text:
            text = shape.sub(replacement, text)
    return _without_pairs(text) if "=" in text or ":" in text else text


def masked(value: Any) -> Any:
    """A JSON value with secrets hidden: by name at any depth, by shape in every string."""
    if isinstance(value, Mapping):
        return {name: _masked_member(str(name), member) for name, member in value.items()}
    if isinstance(value, str):
        return scrubbed(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return masked_arguments(value)
    return value


def masked_arguments(arguments: Sequence[Any]) -> list[Any]:
    """A list with secrets hidden; a string after a flag such as `--api-key` is one."""
    result: list[Any] = []
    follows = False
    for argument in arguments:
        if follows and isinstance(argument, str) and not argument.startswith("-"):
            result.append(hidden(argument))
        else:
            result.append(masked(argument))
        follows = isinstance(argument, str) and argument.startswith("-") and is_secret_name(argument)
    return result


def restored(new: Any, old: Any, shown: Any) -> Any:
    """Undo masking in a value that was read, edited and sent back.

    Args:
        new: what came back. old: what is stored. shown: `old` as it was shown.
    Raises `InvalidInput` where a mask came back for which nothing is stored.
    """
    if isinstance(new, str):
        if MASK not in new:
            return new
        if new == shown:
            return old
        raise InvalidInput(f"A masked value ({MASK}) was sent where nothing, or something else, is stored.")
    if isinstance(new, dict):
        olds, showns = (side if isinstance(side, dict) else {} for side in (old, shown))
        return {name: restored(member, olds.get(name), showns.get(name)) for name, member in new.items()}
    if isinstance(new, list):
        return _restored_list(new, old if isinstance(old, list) else [], shown if isinstance(shown, list) else [])
    return new


def _restored_list(new: list[Any], old: list[Any], shown: list[Any]) -> list[Any]:
    # Elements may have moved: each masked one takes the first stored one that was shown so and is not taken yet.
    free = list(zip(shown, old, strict=False))
    result = []
    for element in new:
        at = next((place for place, (seen, _) in enumerate(free) if seen == element), None)
        was = free.pop(at)[1] if at is not None else None
        result.append(restored(element, was, element if at is not None else None))
    return result


def _masked_member(name: str, member: Any) -> Any:
    if not is_secret_name(name):
        return masked(member)
    if isinstance(member, str):
        return hidden(member)
    if isinstance(member, Mapping):  # such as `apiKey: {name, in, value}`
        return {
            inner: hidden(value) if inner == "value" and isinstance(value, str) else _masked_member(str(inner), value)
            for inner, value in member.items()
        }
    if isinstance(member, list | tuple):
        return [hidden(each) if isinstance(each, str) else masked(each) for each in member]
    return member


def _without_pairs(text: str) -> str:
    """Hide the values after secret names. A harmless name's value is looked at as well: `"line": "token=…"`."""
    kept, at = [], 0
    while named := _NAMED.search(text, at):
        kept.append(text[at : named.end()])
        at = named.end()
        value = _VALUE.match(text, at) if is_secret_name(named[1]) else None
        if value is not None and MASK not in value[0] and value[0].lower() not in ("bearer", "basic"):
            kept.append(hidden(value[0]))
            at = value.end()
    return text if not kept else "".join((*kept, text[at:]))
