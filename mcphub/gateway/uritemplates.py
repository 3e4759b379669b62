"""Which URIs an RFC 6570 template can produce: enough to find a URI's owner, not to expand. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

_EXPRESSION = re.compile(r"\{([+#./;?&]?)([^{}]*)\}")
#: What an expression of each kind may expand to. Reserved expansion crosses slashes, the others stay in one segment.
_MATCHES = {
    "": r"[^/?#]*",
    "+": r".*",
    "#": r"(?:#.*)?",
    ".": r"(?:\.[^/?#]*)?",
    "/": r"(?:/[^?#]*)?",
    ";": r"(?:;[^/?#]*)?",
    "?": r"(?:\?[^#]*)?",
    "&": r"(?:&[^#]*)?",
}
_LONGEST = 2048


def static_prefix(template: str) -> str:
    """The text before the first expression."""
    return template.partition("{")[0]


@lru_cache(maxsize=4096)
def pattern(template: str) -> re.Pattern[str]:
    """A pattern for whole URIs of this template."""
    parts, position = [], 0
    for expression in _EXPRESSION.finditer(template):
        parts.append(re.escape(template[position : expression.start()]))
        parts.append(_MATCHES[expression[1]])
        position = expression.end()
    parts.append(re.escape(template[position:]))
    return re.compile("".join(parts), re.DOTALL)


def matches(template: str, uri: str) -> bool:
    """Whether the template can produce this URI. Very long URIs match nothing: the check must stay cheap."""
    return len(uri) <= _LONGEST and uri.startswith(static_prefix(template)) and bool(pattern(template).fullmatch(uri))
