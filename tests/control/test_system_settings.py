"""System settings: defaults, types, bounds, and what would lock people out."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import Settings

from mcphub.errors import InvalidInput, NotAllowed
from mcphub.masking import MASK, masked
from servers import actions, settings_reader, system_config
from tests.control.conftest import ADMIN, DANA


def change(values: object, stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return system_config.changed_values(stored or {}, values)


def test_every_default_satisfies_its_own_rule() -> None:
    for path, rule in system_config.RULES.items():
        if rule.default is not system_config.ABSENT:
            default = list(rule.default) if isinstance(rule.default, tuple) else rule.default
            assert rule.check(path, default) == default


@pytest.mark.parametrize(
    "values",
    [
        None, [], {}, {"bogus": 1}, {"routing": {}}, {"routing": None}, {"routing": "x"},
        {"routing": {"enableBearerAuth": "yes"}}, {"smartRouting": {"enabled": "x"}}, {"openaiApiKey": "x"},
        {"discovery": {"enabled": True}}, {"oauth": {"enabled": True}}, {"auth": {"forwardAuth": {"enabled": True}}},
        {"enableSessionRebuild": "x"}, {"mcpRouter": {"apiKey": 5}}, {"oauthServer": {"accessTokenLifetime": "60"}},
    ],
)  # fmt: skip
def test_an_update_of_which_nothing_applies_is_refused(values: object) -> None:
    with pytest.raises(InvalidInput):
        change(values)


@pytest.mark.parametrize(
    "values",
    [
        {"nameSeparator": ""}, {"nameSeparator": " "}, {"nameSeparator": "x" * 9}, {"nameSeparator": "é"},
        {"routing": {"jsonBodyLimit": "10b"}}, {"routing": {"jsonBodyLimit": "lots"}},
        {"routing": {"jsonBodyLimit": "9gb"}},
        {"routing": {"bearerAuthHeaderName": ""}}, {"routing": {"bearerAuthHeaderName": "bad header"}},
        {"routing": {"bearerAuthHeaderName": "Cookie"}}, {"routing": {"bearerAuthHeaderName": "x-auth-token"}},
        {"routing": {"rateLimitPerMinute": -1}}, {"oauthServer": {"accessTokenLifetime": -5, "allowedScopes": "x"}},
        {"auth": {"betterAuth": {"providers": {"oidc": {"prompt": "bogus"}}}}},
        {"smartRouting": {"similarityThreshold": 2}}, {"smartRouting": {"fullSchemaTopN": -1}},
        {"smartRouting": {"toolDefinitionFields": "x"}}, {"network": {"allowedCidrs": ["10.0.0.0/8", "nonsense"]}},
        {"install": {"baseUrl": "javascript:x"}},
    ],
)  # fmt: skip
def test_values_out_of_bounds_are_refused(values: object) -> None:
    with pytest.raises(InvalidInput):
        change(values)


def test_wrong_types_beside_good_ones_are_ignored() -> None:
    sent = {"toolResultCompression": {"enabled": True, "minTokens": 10.7, "maxOutputTokens": -5, "strategy": "bogus"}}
    assert change(sent) == {"toolResultCompression": {"enabled": True, "minTokens": 10, "strategy": "auto"}}
    sent = {"smartRouting": {"embeddingProvider": "azure", "embeddingEncodingFormat": "bogus", "enabled": "x"}}
    assert change(sent) == {"smartRouting": {"embeddingProvider": "azure_openai", "embeddingEncodingFormat": "auto"}}


def test_null_clears_and_synonyms_are_one_setting() -> None:
    stored = change({"smartRouting": {"basePacingDelayMs": 10.9, "llmProviderApiKey": "k"}})
    assert stored == {"smartRouting": {"basePacingDelayMs": 10, "openaiApiKey": "k"}}
    assert change({"smartRouting": {"basePacingDelayMs": None}}, stored) == {"smartRouting": {"openaiApiKey": "k"}}


def test_defaults_lie_under_what_is_stored() -> None:
    values = system_config.effective({"routing": {"skipAuth": True}, "future": 1})
    assert values["routing"]["enableGlobalRoute"] is True and values["routing"]["skipAuth"] is True
    assert values["nameSeparator"] == "-" and values["future"] == 1
    assert values["oauthServer"]["allowedScopes"] == ["read", "write"]


@pytest.mark.parametrize(
    ("text", "size"), [("1mb", 1 << 20), ("512kb", 1 << 19), ("16384", 16384), (" 1.5 MB ", 1572864)]
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert system_config.body_bytes(text) == size


@pytest.mark.django_db(transaction=True)
def test_settings_act_at_once_and_are_the_admins(settings: Settings) -> None:
    settings.PUBLIC_URL = "http://localhost:3000"
    with pytest.raises(NotAllowed):
        actions.change_settings(actor=DANA, values={"nameSeparator": "_"})
    actions.change_settings(
        actor=ADMIN, values={"nameSeparator": "__", "install": {"baseUrl": " https://hub.example/ "}}
    )
    switches = settings_reader.switches(settings_reader.effective())
    assert (switches.separator, switches.public_url) == ("__", "https://hub.example")
    actions.change_settings(
        actor=ADMIN, values={"install": {"baseUrl": ""}, "activityLog": {"storeToolPayload": False}}
    )
    switches = settings_reader.switches(settings_reader.effective())
    assert (switches.public_url, switches.store_payloads) == ("http://localhost:3000", "off")


@pytest.mark.django_db(transaction=True)
def test_a_masked_setting_that_comes_back_keeps_the_stored_one() -> None:
    actions.change_settings(actor=ADMIN, values={"mcpRouter": {"apiKey": "s3cr3t"}})
    shown = masked(settings_reader.effective())
    assert shown["mcpRouter"]["apiKey"] == MASK
    shown["mcpRouter"]["title"] = "changed"
    stored = actions.change_settings(actor=ADMIN, values={"mcpRouter": shown["mcpRouter"]})
    assert stored["mcpRouter"]["apiKey"] == "s3cr3t" and stored["mcpRouter"]["title"] == "changed"
    with pytest.raises(InvalidInput):
        actions.change_settings(actor=ADMIN, values={"smartRouting": {"openaiApiKey": MASK}})
