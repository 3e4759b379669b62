"""Small secrets that the hub makes for itself at first use and keeps in files only their owner can read.

Used by `settings` (signing key) and `vault` (encryption keys). Below: `errors`.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from mcphub.errors import Misconfigured


def text_of(path: Path, make: Callable[[], str]) -> str:
    """The content of the file, which is made (mode 0600) from `make()` when it is missing.

    Of several processes that start at once, one makes the file and all read the same text.
    Raises `Misconfigured` where the file can be neither read nor made.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _publish(path, make())
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as failure:
        raise Misconfigured(f"Cannot read or make {path}: {failure}.") from None


def replace(path: Path, text: str) -> None:
    """Put new text in the file, at once for every reader, mode 0600."""
    draft = _draft(path, text)
    draft.replace(path)


def _publish(path: Path, text: str) -> None:
    draft = _draft(path, text)
    try:
        os.link(draft, path)  # fails when another process was first: then its text counts
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text + "\n")
    return draft
