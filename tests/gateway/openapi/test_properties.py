"""What holds for every document, every argument and every answer, tried with many."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mcphub.gateway.upstreams.openapi_spec.documents import Documents
from mcphub.gateway.upstreams.openapi_spec.operations import Api, Parameter, convert
from mcphub.gateway.upstreams.openapi_spec.reading import _read_yaml, read
from mcphub.gateway.upstreams.openapi_spec.requests import UnusableArguments, build, path_value, query_pairs
from mcphub.gateway.upstreams.openapi_spec.results import Answer, result_of
from tests.gateway.openapi.conftest import Json, one_operation

MANY = int(os.environ.get("OPENAPI_EXAMPLES", "80"))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
NAMES = ["Pet", "Owner", "odd/na~me", "default", "$ref"]
REFS = st.sampled_from([f"#/components/schemas/{name}" for name in ("Pet", "Owner", "odd~1na~0me", "default", "gone")])
KEYWORD = st.sampled_from(
    ["title", "format", "pattern", "enum", "const", "default", "example", "minimum", "exclusiveMinimum", "required",
     "nullable", "readOnly", "multipleOf", "minLength", "discriminator", "x-more", "examples", "uniqueItems"]
)  # fmt: skip


def _object(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "integer", "file", ["string", "null"], 7]),
            "properties": st.dictionaries(st.sampled_from([*NAMES, "a", "b"]), inner, max_size=3),
            "items": inner | st.lists(inner, max_size=2),
            "additionalProperties": st.booleans() | inner,
            "allOf": st.lists(inner, max_size=2),
            "oneOf": st.lists(inner, max_size=2),
            "anyOf": st.lists(inner, max_size=2),
            "not": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "[", "\\p{L}"]), inner, max_size=2),
            "pattern": st.sampled_from(["[", "^a+$", "(?<name>x)"]),
            "required": st.just(["a", "b"]) | st.just(True),
            "description": TEXT,
        },
    )


SCHEMA = st.recursive(
    st.builds(lambda ref: {"$ref": ref}, REFS) | st.dictionaries(KEYWORD, VALUE, max_size=3) | st.booleans(),
    lambda inner: _object(inner) | st.tuples(_object(inner), st.dictionaries(KEYWORD, VALUE, max_size=2)).map(
        lambda both: {**both[1], **both[0]}
    ),
    max_leaves=10,
)  # fmt: skip


@st.composite
def documents(draw: st.DrawFn) -> Json:
    """A document with one operation and schemas that refer to each other in any way."""
    names = ["Pet", "Owner", "odd/na~me", "default"]
    body = {"content": {draw(st.sampled_from(["application/json", "multipart/form-data"])): {"schema": draw(SCHEMA)}}}
    return {
        "openapi": draw(st.sampled_from(["3.0.3", "3.1.0"])),
        "servers": [{"url": "http://h"}],
        "paths": {
            "/p/{id}": {
                "post": {
                    "parameters": [
                        {"name": "id", "in": draw(st.sampled_from(["path", "query"])), "schema": draw(SCHEMA)}
                    ],
                    "requestBody": body,
                    "responses": {"200": {"content": {"application/json": {"schema": draw(SCHEMA)}}}},
                }
            }
        },
        "components": {"schemas": {name: draw(SCHEMA) for name in names}},
    }


def converted(document: Json) -> Api:
    return convert(Documents(document, "http://h/openapi.json"))


@settings(max_examples=MANY, deadline=None)
@given(documents())
def test_every_document_gives_valid_json_schemas(document: Json) -> None:
    (operation,) = converted(document).operations.values()
    tool = msgspec.json.decode(operation.definition)
    for schema in (tool["inputSchema"], tool.get("outputSchema", {"type": "object"})):
        Draft202012Validator.check_schema(schema)
        assert schema["type"] == "object"
        # An unresolvable reference would raise here.
        Draft202012Validator(schema).is_valid({"body": {"a": {"a": 1}, "Pet": {}}, "result": [{}], "a": {"a": {}}})


@settings(max_examples=MANY, deadline=None)
@given(documents(), VALUE)
def test_every_answer_keeps_the_promise_of_its_schema(document: Json, value: Any) -> None:
    (operation,) = converted(document).operations.values()
    body = msgspec.json.encode(value)
    result = msgspec.json.decode(result_of(operation, Answer(200, "OK", "application/json", body)))
    assert result["content"][0]["text"] == body.decode()
    if operation.output is None:
        assert ("structuredContent" in result) == isinstance(value, dict)
    else:
        Draft202012Validator(operation.output).validate(result["structuredContent"])


def parameter(place: str = "query", style: str = "form", explode: bool = True, json: bool = False) -> Parameter:
    return Parameter("p", "p", place, style, explode, json=json)  # type: ignore[arg-type]


def pairs(parameter: Parameter, value: Any) -> list[tuple[str, str]]:
    query = "&".join(f"{name}={item}" for name, item in query_pairs(parameter, value))
    assert query.isascii()
    return parse_qsl(query, keep_blank_values=True)


@given(st.lists(TEXT, max_size=4))
def test_lists_survive_a_query(items: list[str]) -> None:
    assert pairs(parameter(), items) == [("p", item) for item in items]
    if items:
        ((_, encoded),) = query_pairs(parameter(explode=False), items)
        assert [unquote(part) for part in encoded.split(",")] == items
        ((_, encoded),) = query_pairs(parameter(style="pipeDelimited", explode=False), items)
        if not any("|" in item for item in items):
            assert unquote(encoded).split("|") == items


@given(st.dictionaries(TEXT.filter(bool), TEXT, max_size=4))
def test_objects_survive_a_query(value: dict[str, str]) -> None:
    assert dict(pairs(parameter(), value)) == value
    assert dict(pairs(parameter(style="deepObject"), value)) == {f"p[{key}]": item for key, item in value.items()}


@given(VALUE)
def test_any_value_survives_as_json(value: Any) -> None:
    ((_, sent),) = pairs(parameter(json=True), value)
    assert json.loads(sent) == value


@given(st.lists(TEXT.filter(bool), min_size=1, max_size=4))
def test_lists_survive_a_path(items: list[str]) -> None:
    assert [unquote(part) for part in path_value(parameter("path", "simple"), items).split(",")] == items
    matrix = path_value(parameter("path", "matrix"), items).split(";")[1:]
    assert [unquote(part.removeprefix("p=")) for part in matrix] == items


@given(TEXT)
def test_a_path_value_stays_in_its_segment(value: str) -> None:
    (operation,) = converted(one_operation("http://h", "/a/{id}/b")).operations.values()
    arguments = {"id": msgspec.Raw(msgspec.json.encode(value))}
    if value in ("", ".", ".."):
        with pytest.raises(UnusableArguments):
            build(operation, arguments)
    else:
        before, segment, after = build(operation, arguments).url.removeprefix("http://h/").split("/")
        assert (before, unquote(segment), after) == ("a", value, "b")


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["C", "Z"]), max_size=8)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | PRINTABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PRINTABLE, inner, max_size=3), max_leaves=8,
))  # fmt: skip
def test_json_reads_the_same_as_yaml(value: Any) -> None:
    document = {"value": value}
    text = json.dumps(document, ensure_ascii=False).encode()
    assert read(text) == _read_yaml(text) == document
