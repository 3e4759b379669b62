"""Secrets of a configuration replaced by variables (`${API_TOKEN}`), for templates that travel between hubs. Pure.

Known places have the names the contract gives them (section 11); anywhere else a secret is known by the name it stands
under or by its shape, in arguments and addresses as well. Above: `templates`. Below: `masking`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mcphub.masking import is_reference, is_secret_name, scrubbed

#: Members of `oauth` and of OpenAPI's `security` objects, by path, with their variables.
_OAUTH: Mapping[tuple[str, ...], str] = {
    ("clientSecret",): "OAUTH_CLIENT_SECRET",
    ("accessToken",): "OAUTH_ACCESS_TOKEN",
    ("refreshToken",): "OAUTH_REFRESH_TOKEN",
    ("dynamicRegistration", "initialAccessToken"): "OAUTH_INITIAL_ACCESS_TOKEN",
}
_SECURITY: Mapping[tuple[str, ...], str] = {
    ("http", "credentials"): "OPENAPI_HTTP_CREDENTIALS",
    ("oauth2", "clientSecret"): "OPENAPI_OAUTH2_CLIENT_SECRET",
    ("oauth2", "token"): "OPENAPI_OAUTH2_TOKEN",
    ("openIdConnect", "clientSecret"): "OPENAPI_OPENID_CLIENT_SECRET",
    ("openIdConnect", "token"): "OPENAPI_OPENID_TOKEN",
}
#: Names of query parameters that usually carry a credential, though they say less than `is_secret_name` asks for.
_KEYS_IN_QUERIES = frozenset({"key", "apikey", "sig", "signature", "code", "auth", "ak", "sk"})
_ASSIGNED = re.compile(r"(-{0,2}[A-Za-z_][\w.-]*)=(.+)", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z][A-Za-z0-9-]*):\s*(\S.*)", re.DOTALL)
_REQUIRED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|^\$([A-Z_][A-Z0-9_]*)$")


def without_secrets(config: Mapping[str, Any], *, guarded: bool = False) -> dict[str, Any]:
    """A configuration in which every secret is a variable.

    Args:
        guarded: every value of `env` and `headers` becomes one, harmless or not: for readers who may only use it.
    """
    result: dict[str, Any] = {}
    for name, value in config.items():
        if name in ("env", "headers") and isinstance(value, Mapping):
            result[name] = {key: _entry(str(key), text, guarded) for key, text in value.items()}
        elif name == "args" and isinstance(value, list):
            result[name] = list(_arguments(value))
        elif name == "oauth" and isinstance(value, Mapping):
            known = {member: given for member, given in value.items() if member != "pendingAuthorization"}
            result[name] = _named(known, _OAUTH)
        elif name == "openapi" and isinstance(value, Mapping):
            result[name] = _openapi(value)
        else:
            result[name] = _anything(name, value, "PROXY_PASSWORD" if name == "proxy" else "")
    return result


def variables(value: Any) -> set[str]:
    """The variables that something needs: those it names without a default."""
    return {found for text in _texts(value) for pair in _REQUIRED.findall(text) for found in pair if found}


def _entry(name: str, value: Any, guarded: bool) -> Any:
    if not isinstance(value, str) or not value or is_reference(value):
        return value
    secret = guarded or is_secret_name(name) or scrubbed(value) != value
    return _variable(name) if secret else value


def _arguments(arguments: list[Any]) -> Iterator[Any]:
    flag = ""
    for place, argument in enumerate(arguments):
        if not isinstance(argument, str):
            yield argument
        elif flag and not argument.startswith("-"):
            yield argument if is_reference(argument) else _variable(flag)
        else:
            yield _argument(argument, place)
        follows = isinstance(argument, str) and argument.startswith("-") and "=" not in argument
        flag = argument if follows and is_secret_name(argument) else ""


def _argument(argument: str, place: int) -> str:
    if is_reference(argument):
        return argument
    if "://" in argument and "=" not in argument.partition("://")[0]:
        return _address(argument)
    for shape, joint in ((_ASSIGNED, "="), (_HEADER, ": ")):
        found = shape.fullmatch(argument)
        if found is None:
            continue
        name, value = found[1], found[2]
        if is_secret_name(name):
            return argument if is_reference(value) else f"{name}{joint}{_variable(name)}"
        if joint == "=" and "://" in value:
            return f"{name}={_address(value)}"
    return argument if scrubbed(argument) == argument else f"${{ARG_{place + 1}}}"


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return url if scrubbed(url) == url else "${URL}"
    place = parts.netloc
    if password and not is_reference(password):
        place = place.replace(f":{password}@", ":${URL_PASSWORD}@", 1)
    pairs = [pair.partition("=") for pair in parts.query.split("&")] if parts.query else []
    query = "&".join(name + equal + _parameter(name, value) for name, equal, value in pairs)
    path = "/".join(part if scrubbed(part) == part else "${URL_SECRET}" for part in parts.path.split("/"))
    return urlunsplit((parts.scheme, place, path, query, parts.fragment))


def _parameter(name: str, value: str) -> str:
    secret = is_secret_name(name) or name.lower() in _KEYS_IN_QUERIES or scrubbed(value) != value
    return _variable(name) if value and secret and not is_reference(value) else value


def _openapi(described: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(described)
    for name in ("security", "specSecurity"):
        if isinstance(result.get(name), Mapping):
            security = _named(result[name], _SECURITY)
            key = security.get("apiKey")
            if isinstance(key, Mapping) and isinstance(key.get("value"), str) and not is_reference(key["value"]):
                named = _variable(str(key.get("name") or "OPENAPI_API_KEY"))
                security["apiKey"] = {**key, "value": named if key["value"] else ""}
            result[name] = security
    rest = {name: value for name, value in result.items() if name not in ("schema", "security", "specSecurity")}
    # The described API is public; what looks like a secret in it is an example.
    return result | {name: _anything(name, value) for name, value in rest.items()}


def _named(value: Any, names: Mapping[tuple[str, ...], str]) -> Any:
    """An object whose members at these paths are variables of these names; the rest is judged like anything else."""
    if not isinstance(value, Mapping):
        return value
    result: dict[str, Any] = {}
    for member, given in value.items():
        below = {path[1:]: name for path, name in names.items() if path[0] == member and len(path) > 1}
        fixed = names.get((member,))
        if below:
            result[member] = _named(given, below)
        elif fixed and isinstance(given, str):
            result[member] = given if not given or is_reference(given) else f"${{{fixed}}}"
        else:
            result[member] = given if member == "apiKey" else _anything(str(member), given)
    return result


def _anything(name: str, value: Any, variable: str = "") -> Any:
    """Any other member: secret by its name, or by its shape. `variable` names secrets found directly below."""
    if isinstance(value, Mapping):
        return {
            key: f"${{{variable}}}"
            if variable and isinstance(inner, str) and inner and is_secret_name(str(key)) and not is_reference(inner)
            else _anything(str(key), inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_anything(name, inner) for inner in value]
    if not isinstance(value, str) or not value or is_reference(value):
        return value
    if is_secret_name(name):
        return _variable(name)
    if "://" in value and not any(mark.isspace() for mark in value):
        return _address(value)
    return value if scrubbed(value) == value else _variable(name)


def _variable(name: str) -> str:
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    upper = re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").upper() or "SECRET"
    return f"${{{'_' + upper if upper[0].isdigit() else upper}}}"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name != "schema":
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
