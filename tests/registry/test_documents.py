"""server.json of every revision, what is not usable in it, versions, and the shipped catalogue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import catalogue
from registry.documents.reading import Unusable, read
from registry.documents.versions import is_newer, order_of

JULY = {
    "$schema": "https://static.modelcontextprotocol.io/schemas/2025-07-09/server.schema.json",
    "name": "io.github.a/b",
    "description": "d",
    "status": "active",
    "version_detail": {"version": "0.1.0"},
    "website_url": "https://x.example",
    "packages": [
        {
            "registry_name": "pypi",
            "name": "b-server",
            "version": "0.1.0",
            "runtime_hint": "uvx",
            "package_arguments": [
                {
                    "type": "positional",
                    "value_hint": "folder",
                    "is_required": True,
                    "format": "filepath",
                    "is_repeated": True,
                }
            ],
            "environment_variables": [{"name": "KEY", "is_required": True, "is_secret": True, "default": 5}],
        }
    ],
    "remotes": [{"transport_type": "streamable-http", "url": "https://x.example/mcp"}],
}
DECEMBER = {
    "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
    "name": "io.github.a/b",
    "description": "d",
    "version": "0.1.0",
    "websiteUrl": "https://x.example",
    "packages": [
        {
            "registryType": "pypi",
            "identifier": "b-server",
            "version": "0.1.0",
            "runtimeHint": "uvx",
            "transport": {"type": "stdio"},
            "packageArguments": [
                {
                    "type": "positional",
                    "valueHint": "folder",
                    "isRequired": True,
                    "format": "filepath",
                    "isRepeated": True,
                }
            ],
            "environmentVariables": [{"name": "KEY", "isRequired": True, "isSecret": True, "default": "5"}],
        }
    ],
    "remotes": [{"type": "streamable-http", "url": "https://x.example/mcp"}],
    "somethingNew": {"unknown": True},
}


def test_all_revisions_say_the_same() -> None:
    old, new = read(JULY), read(DECEMBER)
    assert old == new
    assert new.packages[0].environment[0].secret
    assert new.transports == ("stdio", "streamable-http")
    assert new.notes == ()


def test_what_cannot_be_used_becomes_a_note() -> None:
    document = read({**DECEMBER, "packages": [5, {"registryType": "npm"}, *DECEMBER["packages"]], "remotes": {"a": 1}})
    assert len(document.packages) == 1
    assert document.notes == (
        "packages[0] is no object",
        "packages[1] has no registryType or identifier",
        "remotes is no list",
    )


@pytest.mark.parametrize(
    "document",
    [None, [], "x", {}, {"name": "a/b"}, {"name": "", "version": "1"}, {"name": "a\nb", "version": "1"},
     {"name": "a" * 201, "version": "1"}, {"name": "a/b", "version": "1" * 256}, {"name": 5, "version": "1"}],
)  # fmt: skip
def test_a_document_without_identity_is_unusable(document: object) -> None:
    with pytest.raises(Unusable):
        read(document)


def test_links_are_web_addresses_or_nothing() -> None:
    assert read({**DECEMBER, "websiteUrl": "javascript:alert(1)"}).website == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from(["packages", "remotes", "title", "repository", "description", "_meta"]), json_values
    )
)
def test_no_document_with_an_identity_breaks_the_reader(members: dict[str, object]) -> None:
    assert read({**members, "name": "a/b", "version": "1"}).name == "a/b"


PACKAGE_MEMBERS = ["registryType", "identifier", "transport", "environmentVariables", "packageArguments", "version"]


@given(st.lists(st.dictionaries(st.sampled_from(PACKAGE_MEMBERS), json_values), max_size=3))
def test_no_package_breaks_the_reader(packages: list[object]) -> None:
    read({"name": "a/b", "version": "1", "packages": packages})


@pytest.mark.parametrize(
    ("candidate", "installed", "newer"),
    [
        ("1.10.0", "1.9.0", True), ("1.9.0", "1.10.0", False), ("1.0.0", "1.0.0-rc.1", True), ("v2", "1.9.9", True),
        ("1.0.0-rc.2", "1.0.0-rc.10", False), ("1.0.0+b2", "1.0.0+b1", False), ("spring", "1.0.0", True),
        ("1.0.0", "", False), ("", "1.0.0", False), ("2026.1.1", "2025.12.31", True),
    ],
)  # fmt: skip
def test_versions_are_ordered_as_the_registry_orders_them(candidate: str, installed: str, newer: bool) -> None:
    assert is_newer(candidate, installed) is newer


def test_what_is_no_semantic_version_has_no_order() -> None:
    assert order_of("latest") is order_of("1.2.3.4") is order_of("") is None


def test_the_shipped_catalogue_is_sound() -> None:
    assert catalogue.problems() == []


def test_the_shipped_catalogue_has_at_least_sixty_servers_over_all_categories() -> None:
    categories = [category for category, _ in catalogue.built_in()]
    assert len(categories) >= 60
    assert set(categories) == set(catalogue.CATEGORIES)
    assert len(catalogue.CATEGORIES) == 9


def test_words_suggest_a_category() -> None:
    assert catalogue.category_for(["io.github.x/postgres-mcp", "Query PostgreSQL databases"]) == "databases"
    assert catalogue.category_for(["x/y", "Something else"]) == "custom"
