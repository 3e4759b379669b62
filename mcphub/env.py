"""Typed readers of the environment that refuse what they do not understand.

`settings.py` declares each variable once with these; a value that cannot be read raises `Misconfigured` with one
sentence that names the variable, so a typing mistake ends the start instead of becoming a silent default.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from mcphub.errors import Misconfigured

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


def text(name: str, default: str = "") -> str:
    """The variable with surrounding blanks removed; `default` when unset or blank."""
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool = False) -> bool:
    """A boolean: 1/0, true/false, yes/no, on/off, in any case."""
    value = text(name).lower()
    if not value:
        return default
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise Misconfigured(f"{name} must be true or false, not {value!r}.")


def whole(name: str, default: int, *, least: int | None = None, most: int | None = None) -> int:
    """A whole number within bounds."""
    value = text(name)
    if not value:
        return default
    try:
        number = int(value)
    except ValueError:
        raise Misconfigured(f"{name} must be a whole number, not {value!r}.") from None
    if (least is not None and number < least) or (most is not None and number > most):
        bounds = f"{'' if least is None else least}..{'' if most is None else most}"
        raise Misconfigured(f"{name} must lie in {bounds}, not {number}.")
    return number


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list, blanks removed."""
    value = text(name)
    if not value:
        return list(default)
    return [word.strip() for word in value.split(",") if word.strip()]


def folder(name: str, default: str) -> Path:
    """An absolute path; relative ones are read from the working directory."""
    return Path(text(name, default)).expanduser().absolute()


def choice(name: str, allowed: Sequence[str], default: str) -> str:
    """One of a few words, in any case."""
    value = text(name, default).lower()
    if value not in allowed:
        raise Misconfigured(f"{name} must be one of {', '.join(allowed)}, not {value!r}.")
    return value


def load_file(path: Path) -> None:
    """Add the `NAME=value` lines of a `.env` file to the environment; what is set already wins.

    Values may stand in single or double quotes; unquoted ones end at ` #`. Blank lines and comments are skipped, a
    missing file is no error, any other line is.
    """
    if not path.is_file():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _ASSIGNMENT.fullmatch(line)
        if found is None:
            raise Misconfigured(f"{path}, line {number}: expected NAME=value.")
        name, value = found.groups()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        os.environ.setdefault(name, value[1:-1] if quoted else value.partition(" #")[0].rstrip())
