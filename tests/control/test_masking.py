"""What is hidden, by name and by shape."""

from __future__ import annotations

import pytest

from mcphub.masking import MASK, is_secret_name, masked, scrubbed, suspicious


@pytest.mark.parametrize(
    "name",
    ["password", "API_TOKEN", "apiKey", "X-Api-Key", "clientSecret", "Authorization", "--token",
     "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "codeVerifier", "db_passwd", "Set-Cookie"],
)  # fmt: skip
def test_names_of_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["tokenUrl", "maxTokens", "minTokens", "keepAliveInterval", "author", "clientId", "authorizationEndpoint", "key",
     "bearerAuthHeaderName", "passthroughHeaders", "accessTokenLifetime", "monkey"],
)  # fmt: skip
def test_harmless_names_are_left_alone(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef0123456789",
        'curl -H "X-Api-Key: abcdef0123456789"',
        "key mcphub_abcdef0123456789 was used",
        "https://user:abcdef0123456789@host/path",
        "eyJhbGciOiJIUzI1NiJ9.abcdef0123456789.abcdef0123456789",
        '{"password":"abcdef0123456789"}',
        "token=abcdef0123456789&page=2",
        "ghp_abcdef0123456789abcdef",
        "sk-abcdef0123456789abcdef",
        "-----BEGIN PRIVATE KEY-----\nabcdef0123456789\n-----END PRIVATE KEY-----",
    ],
)
def test_secrets_in_texts_are_scrubbed(text: str) -> None:
    assert "abcdef0123456789" not in scrubbed(text)
    assert MASK in scrubbed(text)


def test_plain_texts_stay_as_they_are() -> None:
    text = "Connected to https://host:8080/path?page=2 in 12 ms; tokens used: 99"
    assert scrubbed(text) == text


def test_values_are_masked_at_any_depth() -> None:
    value = {"a": [{"password": "x", "n": 1}], "apiKey": {"name": "k", "in": "header", "value": "v"}, "secret": ""}
    assert masked(value) == {
        "a": [{"password": MASK, "n": 1}],
        "apiKey": {"name": "k", "in": "header", "value": MASK},
        "secret": "",
    }


def test_a_variable_in_place_of_a_secret_is_shown_whole() -> None:
    for text in ("--token=${TOKEN}", "TOKEN=${TOKEN} next", '{"api_key": "${KEY:-}"}'):
        assert scrubbed(text) == text
    assert scrubbed("--token=abc${X}def") == f"--token={MASK}"


def test_the_suspicious_ones_are_found_among_many() -> None:
    texts = [b'{"city":"Berlin"}'] * 7
    texts[0] = b'{"ToKeN":1}'
    texts[3] = b'{"text":"https://u:p@host, password=x"}'
    texts[6] = b"sk-"
    assert suspicious(texts) == {0, 3, 6}
    assert suspicious([rb'{"t\u006fken":1}', rb'"a\/b"', rb'"a\nb"']) == {0, 1}
    assert suspicious([]) == suspicious([b"", b"x"]) == set()
    # One's end and the next one's beginning make no clue.
    assert suspicious([b"to", b"ken", b"pass"]) == {2}
