"""Variables in server entries: `${NAME}`, `${NAME:-default}`, `${NAME:+instead}`, and a whole `$NAME`.

An unset `${NAME}` becomes empty. `$NAME` counts only where it is the whole text and the variable is set, so that a
password such as `pa$WORD` keeps its dollar; `$${` stands for a literal `${`. Entries of admins read the hub's
environment, within MCPHUB_EXPANDABLE and never the hub's own secrets; entries of others read nothing of it. Every
entry reads its own `env` first. Pure. Above: `specs`. Below: nothing.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_BRACED = re.compile(r"\$(?P<literal>\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<mark>:[-+])(?P<word>[^}]*))?\}")
_WHOLE = re.compile(r"\$([A-Z_][A-Z0-9_]*)")
#: The hub's own secrets, whatever MCPHUB_EXPANDABLE says.
_OWN = (
    "SECRET_KEY", "JWT_SECRET", "ADMIN_PASSWORD", "DATABASE_URL", "DB_URL", "REDIS_URL", "MCPHUB_*", "SUPABASE_*",
    "GITHUB_CLIENT_*", "GOOGLE_CLIENT_*", "OIDC_CLIENT_*", "BETTER_AUTH_*", "PG*",
)  # fmt: skip

Lookup = Callable[[str], str | None]


def hub_environment(environ: Mapping[str, str], readable: Sequence[str]) -> dict[str, str]:
    """The part of the hub's environment that entries of admins may read."""
    return {
        name: value
        for name, value in environ.items()
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in readable)
        and not any(fnmatch.fnmatchcase(name, pattern) for pattern in _OWN)
    }


def expanded(config: Mapping[str, Any], outer: Mapping[str, str]) -> dict[str, Any]:
    """A configuration with its variables replaced, at any depth.

    Args:
        outer: what the entry may read besides its own `env`; its `env` may only read this.
    """
    env = {name: text_of(value, outer.get) for name, value in (config.get("env") or {}).items()}
    scope = {**outer, **env}
    result = {name: _value(member, scope.get) for name, member in config.items() if name != "env"}
    if env:
        result["env"] = env
    return result


def text_of(text: str, lookup: Lookup) -> str:
    """One text with its variables replaced."""
    whole = _WHOLE.fullmatch(text)
    if whole is not None:
        found = lookup(whole[1])
        return text if found is None else found
    return _BRACED.sub(lambda match: _replacement(match, lookup), text)


def _replacement(match: re.Match[str], lookup: Lookup) -> str:
    if match["literal"]:
        return "${"
    value = lookup(match["name"]) or ""
    if match["mark"] == ":-":
        return value or match["word"]
    if match["mark"] == ":+":
        return match["word"] if value else ""
    return value


def _value(value: Any, lookup: Lookup) -> Any:
    if isinstance(value, str):
        return text_of(value, lookup)
    if isinstance(value, Mapping):
        return {name: _value(member, lookup) for name, member in value.items()}
    if isinstance(value, list):
        return [_value(member, lookup) for member in value]
    return value
