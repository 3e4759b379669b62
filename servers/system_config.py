"""The system settings (`systemConfig`): every member once, with its default, its rule, and who may set it how.

Stored is only what was set; `effective` lays the defaults under it. The contract ignores members of a wrong type and
refuses an update of which nothing applies; values of the right type that are out of bounds, or would lock people out,
are refused with the rule. Pure. Above: `actions`, `settings_reader`, the API. Below: `checks`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcphub.errors import InvalidInput
from mcphub.texts import is_storable
from servers import checks

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|kb|mb|gb)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}
#: Bodies must stay large enough for the settings page itself, or nobody could undo a smaller limit.
_LEAST_BODY = 16 * 1024
_MOST_BODY = 1024**3
#: Headers that carry something else; a credential there could not be told apart, or would never arrive.
_TAKEN_HEADERS = frozenset(
    {
        "host", "cookie", "content-type", "content-length", "accept", "origin", "connection", "transfer-encoding",
        "x-auth-token", "mcp-session-id", "mcp-protocol-version",
    }
)  # fmt: skip


class Unfit(Exception):
    """A value of the wrong type: not applied, as if it had not been sent."""


class _Absent:
    """The default of members that have none."""


ABSENT = _Absent()


@dataclass(frozen=True, slots=True)
class Rule:
    """One setting.

    Attributes:
        default: laid under what is stored; `ABSENT` for none.
        check: returns the value to store (None clears), raises `Unfit` or `InvalidInput`.
        by_api: whether `PUT /api/system-config` may set it (the settings file may set all).
    """

    default: Any
    check: checks.Check
    by_api: bool = True


def body_bytes(limit: str) -> int:
    """A size such as `1mb` in bytes. Raises `ValueError`."""
    found = _SIZE.fullmatch(limit.strip())
    if found is None:
        raise ValueError(limit)
    return int(float(found[1]) * _UNITS[(found[2] or "").lower()])


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Unfit
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not is_storable(value) or len(value) > 10_000:
        raise Unfit
    return value.strip()


def _verbatim(name: str, value: Any) -> str:
    _text(name, value)
    return str(value)


def _whole(least: int, most: int = 2**53, *, nullable: bool = False, lenient: bool = False) -> checks.Check:
    def check(name: str, value: Any) -> int | None:
        if value is None and nullable:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unfit
        if not least <= value <= most:
            if lenient:
                raise Unfit
            raise checks.refuse(name, f"must lie between {least} and {most}")
        return int(value)

    return check


def _word(*allowed: str, otherwise: str | None = None, **aliases: str) -> checks.Check:
    def check(name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise Unfit
        word = aliases.get(value, value)
        if word not in allowed:
            if otherwise is None:
                raise checks.refuse(name, f"must be one of {', '.join(allowed)}")
            return otherwise
        return word

    return check


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) and is_storable(each) for each in value):
        raise Unfit
    return [each.strip() for each in value if each.strip()]


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise Unfit
    return dict(checks.storable(name, value))


def _body_limit(name: str, value: Any) -> str:
    limit = _text(name, value)
    try:
        size = body_bytes(limit)
    except ValueError:
        raise checks.refuse(name, "must be a size such as 1mb or 512kb") from None
    if not _LEAST_BODY <= size <= _MOST_BODY:
        raise checks.refuse(name, "must lie between 16kb and 1gb; less would lock you out of this page")
    return limit


def _bearer_header(name: str, value: Any) -> str:
    header = _text(name, value)
    checks.require_header_name(name, header)
    if header.lower() in _TAKEN_HEADERS:
        raise checks.refuse(name, f"cannot be {header}: that header has another meaning")
    return header


def _separator(name: str, value: Any) -> str:
    separator = _text(name, value)
    if not re.fullmatch(r"[A-Za-z0-9_.:/~|+-]{1,8}", separator):
        raise checks.refuse(name, "must be 1 to 8 characters such as - or __; without one, names are ambiguous")
    return separator


def _networks(name: str, value: Any) -> list[str]:
    networks = _texts(name, value)
    for network in networks:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise checks.refuse(name, f"has {network!r}, which is no network such as 10.0.0.0/8") from None
    return networks


def _address(name: str, value: Any) -> str:
    return str(checks.address(name, _text(name, value)))


def _fraction(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise checks.refuse(name, "must lie between 0 and 1")
    return float(value)


def _definition_fields(name: str, value: Any) -> list[str] | None:
    if value is None:
        return None
    known = ("title", "annotations", "outputSchema", "execution", "icons", "_meta")
    if not isinstance(value, list) or any(each not in known for each in value):
        raise checks.refuse(name, f"must list some of {', '.join(known)}")
    return list(value)


def _base_path(name: str, value: Any) -> str:
    path = _text(name, value)
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise checks.refuse(name, "must be a path such as /api/auth/better")
    return path


def _prompt(name: str, value: Any) -> str | None:
    allowed = ("none", "login", "create", "consent", "select_account", "select_account consent", "login consent")
    return None if value is None else str(_word(*allowed)(name, value))


#: Names the middle generation used for what providers share now; read, never shown.
_SYNONYMS = {
    "smartRouting.llmProviderBaseUrl": "smartRouting.openaiApiBaseUrl",
    "smartRouting.llmProviderApiKey": "smartRouting.openaiApiKey",
    "smartRouting.embeddingModel": "smartRouting.openaiApiEmbeddingModel",
}

RULES: Mapping[str, Rule] = {
    "routing.enableGlobalRoute": Rule(True, _boolean),
    "routing.enableGroupNameRoute": Rule(True, _boolean),
    "routing.enableBearerAuth": Rule(True, _boolean),
    "routing.bearerAuthKey": Rule("", _text),
    "routing.bearerAuthHeaderName": Rule("Authorization", _bearer_header),
    "routing.jsonBodyLimit": Rule("1mb", _body_limit),
    "routing.skipAuth": Rule(False, _boolean),
    "routing.serverRouteNames": Rule("prefixed", _word("prefixed", "raw")),
    "routing.rateLimitPerMinute": Rule(480, _whole(0, 10_000_000)),
    "install.pythonIndexUrl": Rule("", _address),
    "install.npmRegistry": Rule("", _address),
    "install.baseUrl": Rule(ABSENT, _address),
    "smartRouting.enabled": Rule(False, _boolean),
    "smartRouting.dbUrl": Rule("", _text),
    "smartRouting.basePacingDelayMs": Rule(ABSENT, _whole(0, nullable=True)),
    "smartRouting.embeddingProvider": Rule(
        "openai", _word("openai", "azure_openai", otherwise="openai", azure="azure_openai")
    ),
    "smartRouting.embeddingEncodingFormat": Rule("auto", _word("auto", "base64", "float", otherwise="auto")),
    "smartRouting.embeddingDimensions": Rule(ABSENT, _whole(1, 100_000, nullable=True)),
    "smartRouting.embeddingDimensionsApiPassthrough": Rule(ABSENT, _boolean),
    "smartRouting.openaiApiBaseUrl": Rule("", _address),
    "smartRouting.openaiApiKey": Rule("", _text),
    "smartRouting.openaiApiEmbeddingModel": Rule("", _text),
    "smartRouting.azureOpenaiEndpoint": Rule("", _address),
    "smartRouting.azureOpenaiApiKey": Rule("", _text),
    "smartRouting.azureOpenaiApiVersion": Rule("", _text),
    "smartRouting.azureOpenaiEmbeddingDeployment": Rule("", _text),
    "smartRouting.azureOpenaiEmbeddingModel": Rule("", _text),
    "smartRouting.progressiveDisclosure": Rule(False, _boolean),
    "smartRouting.serverDescriptionMode": Rule("names", _word("names", "full")),
    "smartRouting.embeddingQueryPrefix": Rule("", _verbatim),
    "smartRouting.embeddingDocumentPrefix": Rule("", _verbatim),
    "smartRouting.embeddingMaxTokens": Rule(ABSENT, _whole(1, 10_000_000, nullable=True)),
    "smartRouting.similarityThreshold": Rule(ABSENT, _fraction),
    "smartRouting.fullSchemaTopN": Rule(ABSENT, _whole(0, 100_000, nullable=True)),
    "smartRouting.toolDefinitionFields": Rule(ABSENT, _definition_fields),
    "toolResultCompression.enabled": Rule(False, _boolean),
    "toolResultCompression.minTokens": Rule(2000, _whole(1, lenient=True)),
    "toolResultCompression.maxOutputTokens": Rule(1200, _whole(1, lenient=True)),
    "toolResultCompression.strategy": Rule(
        "auto", _word("auto", "json", "log", "search", "diff", "text", otherwise="auto")
    ),
    "mcpRouter.apiKey": Rule("", _text),
    "mcpRouter.referer": Rule("https://www.mcphub.app", _text),
    "mcpRouter.title": Rule("MCPHub", _text),
    "mcpRouter.baseUrl": Rule("https://api.mcprouter.to/v1", _address),
    "nameSeparator": Rule("-", _separator),
    "enableSessionRebuild": Rule(ABSENT, _boolean),
    "oauthServer.enabled": Rule(True, _boolean),
    "oauthServer.accessTokenLifetime": Rule(3600, _whole(1, 10**9)),
    "oauthServer.refreshTokenLifetime": Rule(1_209_600, _whole(1, 10**9)),
    "oauthServer.authorizationCodeLifetime": Rule(300, _whole(1, 86_400)),
    "oauthServer.requireClientSecret": Rule(False, _boolean),
    "oauthServer.allowedScopes": Rule(("read", "write"), _texts),
    "oauthServer.requireState": Rule(False, _boolean),
    "oauthServer.dynamicRegistration.enabled": Rule(True, _boolean),
    "oauthServer.dynamicRegistration.allowedGrantTypes": Rule(("authorization_code", "refresh_token"), _texts),
    "oauthServer.dynamicRegistration.requiresAuthentication": Rule(False, _boolean),
    "oauthServer.dynamicRegistration.clientTtl": Rule(2_592_000, _whole(0, 10**9)),
    "oauthServer.clientIdMetadata.enabled": Rule(False, _boolean, by_api=False),
    "oauthServer.clientIdMetadata.cacheTtlMs": Rule(3_600_000, _whole(0), by_api=False),
    "auth.betterAuth.enabled": Rule(ABSENT, _boolean),
    "auth.betterAuth.baseUrl": Rule(ABSENT, _address),
    "auth.betterAuth.basePath": Rule("/api/auth/better", _base_path),
    "auth.betterAuth.trustedOrigins": Rule(ABSENT, _texts),
    "auth.betterAuth.disableAutoCreate": Rule(False, _boolean),
    "auth.betterAuth.disablePasswordLogin": Rule(False, _boolean),
    "auth.betterAuth.providers.google.enabled": Rule(ABSENT, _boolean),
    "auth.betterAuth.providers.github.enabled": Rule(ABSENT, _boolean),
    "auth.betterAuth.providers.oidc.enabled": Rule(ABSENT, _boolean),
    "auth.betterAuth.providers.oidc.providerId": Rule(ABSENT, _text),
    "auth.betterAuth.providers.oidc.discoveryUrl": Rule(ABSENT, _address),
    "auth.betterAuth.providers.oidc.scopes": Rule(ABSENT, _texts),
    "auth.betterAuth.providers.oidc.pkce": Rule(ABSENT, _boolean),
    "auth.betterAuth.providers.oidc.prompt": Rule(ABSENT, _prompt),
    "auth.forwardAuth": Rule(ABSENT, _object, by_api=False),
    "oauth": Rule(ABSENT, _object, by_api=False),
    "discovery.enabled": Rule(False, _boolean, by_api=False),
    "activityLog.enabled": Rule(True, _boolean),
    "activityLog.storeToolPayload": Rule(True, _boolean),
    "activityLog.payloads": Rule("masked", _word("off", "masked", "full")),
    "activityLog.retentionDays": Rule(90, _whole(0, 36_500)),
    "activityLog.retentionCalls": Rule(10_000_000, _whole(0)),
    "alerts.webhookUrl": Rule("", _address),
    "alerts.webhookSecret": Rule("", _text),
    "alerts.serverDownMinutes": Rule(5, _whole(0, 10_080)),
    "alerts.errorPercent": Rule(20, _whole(0, 100)),
    "alerts.errorCalls": Rule(20, _whole(1, 1_000_000)),
    "network.allowedCidrs": Rule((), _networks),
}


def effective(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored, with the defaults laid under it."""
    result = _copied(stored)
    for path, rule in RULES.items():
        if rule.default is not ABSENT and _get(result, path) is ABSENT:
            default = rule.default
            _set(result, path, list(default) if isinstance(default, tuple) else default)
    return result


def changed_values(stored: Mapping[str, Any], sent: object, *, by_api: bool = True) -> dict[str, Any]:
    """What will be stored after an update.

    Raises `InvalidInput` where nothing of it applies, or a value is out of bounds.
    """
    if not isinstance(sent, Mapping):
        raise InvalidInput("The settings must be an object.")
    result, applied = _copied(stored), False
    for path, value in leaves(sent):
        path = _SYNONYMS.get(path, path)
        rule = RULES.get(path)
        if rule is None or (by_api and not rule.by_api):
            continue
        try:
            checked = rule.check(path, value)
        except Unfit:
            continue
        applied = True
        _set(result, path, checked)
    if not applied:
        raise InvalidInput("None of these settings can be set, or none has a value of the right type.")
    return result


def sorted_out(sent: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The usable part of a settings file's `systemConfig`, and why the rest is not, for the importer's report."""
    usable: dict[str, Any] = {}
    problems = []
    for path, value in leaves(sent):
        path = _SYNONYMS.get(path, path)
        rule = RULES.get(path)
        try:
            if rule is None:
                problems.append(f"systemConfig.{path}: unknown")
            else:
                _set(usable, path, rule.check(path, value))
        except Unfit:
            problems.append(f"systemConfig.{path}: wrong type")
        except InvalidInput as refused:
            problems.append(f"systemConfig: {refused.message}")
    return usable, problems


def leaves(value: Mapping[str, Any], prefix: str = "") -> Sequence[tuple[str, Any]]:
    """Every member as a dotted path and its value; objects that are one setting count as such."""
    found: list[tuple[str, Any]] = []
    for name, member in value.items():
        path = f"{prefix}{name}"
        if isinstance(member, Mapping) and path not in RULES:
            found.extend(leaves(member, f"{path}."))
        else:
            found.append((path, member))
    return found


def _copied(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copied(member) if isinstance(member, Mapping) else member for name, member in value.items()}


def _get(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return ABSENT
        found = found[name]
    return found


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        if not isinstance(values.get(name), dict):
            values[name] = {}
        values = values[name]
    if value is None:
        values.pop(last, None)
    else:
        values[last] = value
