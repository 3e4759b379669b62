"""A document with what it refers to: following `$ref`s across files, and where the service is.

Above: `schemas`, `operations`. Below: `reading`. A node is always looked at together with its base, the address of the
file it stands in, because a relative reference means something else in every file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from yarl import URL

from mcphub.gateway.upstreams.openapi_spec.reading import UnreadableDocument

_MAX_HOPS = 50
_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


class Documents:
    """The main document, its address ("" when it was given inline), and the other files it refers to."""

    def __init__(self, root: Mapping[str, Any], base: str = "", others: Mapping[str, Any] | None = None) -> None:
        self.root = root
        self.base = base
        self._files: dict[str, Any] = {**(others or {}), base: root}
        version = root.get("openapi")
        #: OpenAPI 3.0 schemas are a dialect of their own; 3.1 schemas are JSON Schema 2020-12
        self.is_30 = isinstance(version, str) and version.startswith("3.0")

    def locate(self, ref: str, base: str) -> tuple[str, str]:
        """The file and the pointer that a `$ref` found in the file `base` means."""
        target, pointer = urldefrag(ref)
        return (urljoin(base, target) if target else base), pointer

    def at(self, file: str, pointer: str) -> Any:
        """The value at a JSON pointer; None where there is none."""
        node = self._files.get(file)
        for part in pointer.split("/")[1:]:
            part = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict):
                node = node.get(part)
            elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
                node = node[int(part)]
            else:
                return None
        return node if pointer.startswith("/") or not pointer else None

    def follow(self, node: Any, base: str) -> tuple[dict[str, Any], str]:
        """The object behind a chain of `$ref`s, and its base; an empty object where the chain leads nowhere."""
        for _ in range(_MAX_HOPS):
            if not isinstance(node, dict):
                break
            if not isinstance(ref := node.get("$ref"), str):
                return node, base
            base, pointer = self.locate(ref, base)
            node = self.at(base, pointer)
        return {}, base

    def require_supported(self) -> None:
        """Refuse what is no OpenAPI 3.0, 3.1 or later document of the same major version.

        Raises:
            UnreadableDocument: with a sentence that says what was found.
        """
        version = self.root.get("openapi")
        if isinstance(version, str) and version.startswith("3."):
            return
        raise UnreadableDocument(
            'The document has no member "openapi" with a version 3.x, so it is no OpenAPI 3 document.'
        )


def external_files(refs: set[str], base: str, known: Mapping[str, Any]) -> set[str]:
    """The addresses of files that `refs`, found in the file `base`, need and that are not `known` yet.

    Raises:
        UnreadableDocument: a reference to a local file or of an unknown scheme.
    """
    needed = set()
    for ref in refs:
        target, _ = urldefrag(ref)
        if not target:
            continue
        address = urljoin(base, target)
        if urlsplit(address).scheme.lower() not in ("http", "https"):
            raise UnreadableDocument(
                f"The reference {ref[:200]!r} leads to a local file or to no address; the hub only follows http(s)."
            )
        if address != base and address not in known:
            needed.add(address)
    return needed


def server_address(servers: Any, base: str) -> str:
    """The base address of the service, without a trailing slash: the first usable entry of `servers`.

    Variables take their defaults; a relative address is resolved against the document's; without entries the service
    is the document's own origin. "" where no absolute http(s) address comes out.
    """
    entries = [entry for entry in servers if isinstance(entry, dict)] if isinstance(servers, list) else []
    url = entries[0].get("url") if entries else "/"
    if not isinstance(url, str):
        return ""
    variables = entries[0].get("variables") if entries else None
    try:
        address = urljoin(base, _PLACEHOLDER.sub(lambda found: _default(variables, found), url))
        found = URL(address).with_query(None).with_fragment(None)
    except ValueError:
        return ""
    return str(found).rstrip("/") if found.scheme in ("http", "https") and found.host else ""


def _default(variables: Any, found: re.Match[str]) -> str:
    variable = variables.get(found.group(1)) if isinstance(variables, dict) else None
    default = variable.get("default") if isinstance(variable, dict) else None
    return str(default) if default is not None else found.group(0)


def members(node: Any) -> dict[str, Any]:
    """`node` where it is an object, else an empty one: a document's slips must not stop its import."""
    return node if isinstance(node, dict) else {}


def listed(node: Any) -> list[Any]:
    """`node` where it is an array, else an empty one."""
    return node if isinstance(node, list) else []


def text(node: Any) -> str:
    """`node` where it is a string, without blanks around it, else ""."""
    return node.strip() if isinstance(node, str) else ""
