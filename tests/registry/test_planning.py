"""From a document to a command: which way, what is asked, and that no answer can become more than an answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.errors import InvalidInput
from registry import catalogue
from registry.documents.reading import read
from registry.planning.answers import MissingAnswers
from registry.planning.commands import MASK, plan
from registry.planning.machine import Machine, Script
from registry.planning.ways import Way, ways_of

ALL = Machine({"npx": "npx", "uvx": "uvx", "docker": "docker"})
ENTRIES = {entry["name"]: catalogue.document_of(entry) for _, entry in catalogue.built_in()}


def ways(name: str, machine: Machine = ALL) -> list[Way]:
    return ways_of(read(ENTRIES[name]), machine)


def made(document: dict[str, Any], machine: Machine = ALL) -> Way:
    return ways_of(read({"name": "a/b", "version": "1", **document}), machine)[0]


def package(**members: Any) -> dict[str, Any]:
    return {"packages": [{"registryType": "npm", "identifier": "thing", "transport": {"type": "stdio"}, **members}]}


def vector(way: Way, **answers: Any) -> list[str]:
    config = plan(way, answers).config
    return [config["command"], *config["args"]]


@pytest.mark.parametrize(
    ("programs", "runner"),
    [({"uvx": "uvx"}, "uvx"), ({"uv": "uv"}, "uvx"), ({"pipx": "pipx"}, "uvx"), ({}, "")],
)
def test_the_way_is_chosen_by_what_the_machine_has(programs: dict[str, str], runner: str) -> None:
    way = ways("time", Machine(programs))[0]
    assert way.is_usable is bool(runner)
    assert way.obstacle == ("" if runner else "Install uv to run PyPI packages.")


def test_each_python_runner_gets_its_own_words() -> None:
    assert vector(ways("time", Machine({"uvx": "uvx"}))[0]) == ["uvx", "mcp-server-time"]
    assert vector(ways("time", Machine({"uv": "/opt/uv"}))[0]) == ["/opt/uv", "tool", "run", "mcp-server-time"]
    assert vector(ways("time", Machine({"pipx": "pipx"}))[0]) == ["pipx", "run", "mcp-server-time"]


def test_an_installed_package_is_run_as_it_is() -> None:
    machine = Machine({"uvx": "uvx"}, {"mcp-server-time": Script("/venv/bin/mcp-server-time", "2026.1")})
    assert vector(ways("time", machine)[0], **{"--local-timezone": "Europe/Berlin"}) == [
        "/venv/bin/mcp-server-time", "--local-timezone", "Europe/Berlin",
    ]  # fmt: skip
    pinned = {"packages": [{"registryType": "pypi", "identifier": "MCP_server.time", "version": "1.0"}]}
    assert made(pinned, machine).runner == "uvx"


def test_this_machine_is_looked_at() -> None:
    machine = Machine.here()
    assert "npx" in machine.programs
    assert machine.scripts["mcp-server-time"].path.endswith("mcp-server-time")


def test_without_docker_the_remote_is_taken() -> None:
    assert ways("github", Machine({"npx": "npx"}))[0].runner == "remote"
    assert {way.runner for way in ways("github")} == {"docker", "remote"}


def test_containers_get_their_variables_by_name_only() -> None:
    way = next(way for way in ways("github") if way.runner == "docker")
    planned = plan(way, {"GITHUB_PERSONAL_ACCESS_TOKEN": "ghp_secret"})
    assert planned.config["args"] == [
        "run",
        "-i",
        "--rm",
        "-e",
        "GITHUB_PERSONAL_ACCESS_TOKEN",
        "-e",
        "GITHUB_TOOLSETS",
        "ghcr.io/github/github-mcp-server",
    ]
    assert planned.config["env"]["GITHUB_PERSONAL_ACCESS_TOKEN"] == "ghp_secret"
    assert "ghp_secret" not in planned.shown


def test_secrets_are_never_shown() -> None:
    for name in ENTRIES:
        for way in ways(name):
            answers = {one.name: one.choices[0] if one.choices else f"hidden{n}" for n, one in enumerate(way.questions)}
            answers |= {one.name: "true" for one in way.questions if one.format == "boolean"}
            answers |= {one.name: "1" for one in way.questions if one.format == "number"}
            answers |= {one.name: "https://h.example" for one in way.questions if one.name.endswith("_url")}
            shown = plan(way, answers).shown
            assert not [one.name for one in way.questions if one.secret and str(answers[one.name]) in shown], name


def test_every_shipped_entry_can_be_planned_or_says_what_is_missing() -> None:
    for name in ENTRIES:
        for way in ways(name):
            try:
                plan(way, {})
            except MissingAnswers as missing:
                assert missing.data == {"missing_env": [one.name for one in way.missing]}


def test_required_values_are_asked_and_named() -> None:
    way = ways("postgres")[0]
    with pytest.raises(MissingAnswers) as missing:
        plan(way, {"DATABASE_URI": "  "})
    assert missing.value.data == {"missing_env": ["DATABASE_URI"]}
    assert vector(way, DATABASE_URI="x")[1:] == ["postgres-mcp", "--access-mode", "restricted"]


@pytest.mark.parametrize(
    ("answers", "field"),
    [
        ({"--access-mode": "all"}, "--access-mode"),
        ({"DATABASE_URI": "a\nb"}, "DATABASE_URI"),
        ({"DATABASE_URI": {}}, "DATABASE_URI"),
    ],
)
def test_answers_of_the_wrong_kind_are_refused(answers: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(ways("postgres")[0], {"DATABASE_URI": "x", **answers})
    assert refused.value.data == {"field": field}


def test_numbers_and_flags_are_checked() -> None:
    way = made(package(packageArguments=[{"type": "named", "name": "--port", "format": "number", "isRequired": True},
                                         {"type": "named", "name": "--fast", "format": "boolean"}]))  # fmt: skip
    assert vector(way, **{"--port": 80, "--fast": True})[3:] == ["--port", "80", "--fast"]
    assert vector(way, **{"--port": "80", "--fast": "false"})[3:] == ["--port", "80"]
    with pytest.raises(InvalidInput):
        plan(way, {"--port": "eighty"})
    with pytest.raises(InvalidInput):
        plan(way, {"--port": "80", "--fast": "perhaps"})


def test_arguments_come_in_every_form() -> None:
    way = made(
        package(
            version="1.2.3",
            runtimeArguments=[
                {"type": "named", "name": "-y"},
                {"type": "named", "name": "--registry", "value": "https://r.example"},
            ],
            packageArguments=[
                {"type": "positional", "value": "serve"},
                {"type": "named", "name": "--stdio"},
                {"type": "named", "name": "--dir=", "valueHint": "dir", "isRequired": True},
                {"type": "named", "name": "--tag", "valueHint": "tag", "isRepeated": True},
                {"type": "positional", "valueHint": "files", "isRepeated": True},
                {"type": "named", "name": "--optional", "description": "not given"},
                {
                    "type": "positional",
                    "value": "{user}@{host}:{port}",
                    "variables": {"user": {"isRequired": True}, "host": {"default": "h"}},
                },
            ],
        )
    )
    answers = {"--dir=": "/a b", "--tag": ["x", "y"], "files": ["1", "2"], "user": "me"}
    assert vector(way, **answers) == [
        "npx", "-y", "--registry", "https://r.example", "thing@1.2.3", "serve", "--stdio", "--dir=/a b",
        "--tag", "x", "--tag", "y", "1", "2", "me@h:{port}",
    ]  # fmt: skip
    assert plan(way, answers).shown.endswith("serve --stdio '--dir=/a b' --tag x --tag y 1 2 'me@h:{port}'")


def test_a_remote_fills_its_address_and_headers() -> None:
    way = made(
        {
            "remotes": [
                {
                    "type": "sse",
                    "url": "{base}/sse?region={region}&keep={unknown}",
                    "variables": {"base": {"isRequired": True}, "region": {"default": "eu", "choices": ["eu", "us"]}},
                    "headers": [
                        {
                            "name": "Authorization",
                            "value": "Bearer {token}",
                            "isSecret": True,
                            "variables": {"token": {"isRequired": True}},
                        },
                        {"name": "X-Team", "description": "optional"},
                    ],
                }
            ]
        }
    )
    planned = plan(way, {"base": "https://x.example", "token": "t0ken"})
    assert planned.config == {
        "type": "sse",
        "url": "https://x.example/sse?region=eu&keep={unknown}",
        "headers": {"Authorization": "Bearer t0ken"},
    }
    assert planned.shown == f"https://x.example/sse?region=eu&keep={{unknown}}\nAuthorization: {MASK}"
    for base in ("x.example", "file:///etc/passwd", "https://a b", "http://"):
        with pytest.raises(InvalidInput):
            plan(way, {"base": base, "token": "t"})


def test_an_optional_header_without_a_value_is_left_out() -> None:
    way = next(way for way in ways("stripe") if way.runner == "remote")
    assert "headers" not in plan(way, {}).config


@pytest.mark.parametrize(
    "members",
    [{"identifier": "--eval=x"}, {"identifier": "a;b"}, {"identifier": "a b"}, {"version": "1 --x"}, {"version": "-1"},
     {"registryType": "oci", "identifier": "-v/:/host"},
     {"registryType": "pypi", "identifier": "git+https://x.example/y"},
     {"transport": {"type": "streamable-http", "url": "http://localhost:1/mcp"}}, {"registryType": "mcpb"},
     {"registryType": "on_device"}],
)  # fmt: skip
def test_what_cannot_be_run_safely_is_not_run(members: dict[str, Any]) -> None:
    way = made(package(**members))
    assert not way.is_usable
    with pytest.raises(InvalidInput):
        plan(way, {})


def test_the_same_package_twice_stays_reachable_twice() -> None:
    twice = package()["packages"] * 2
    ids = [way.id for way in ways_of(read({"name": "a/b", "version": "1", "packages": twice}), ALL)]
    assert ids == ["npx:thing", "npx:thing#2"]


@given(st.text(min_size=1, max_size=20))
def test_no_answer_becomes_an_option_or_a_second_word(answer: str) -> None:
    way = made(package(packageArguments=[{"type": "positional", "valueHint": "word", "isRequired": True}]))
    try:
        words = vector(way, word=answer)
    except InvalidInput:
        return
    assert words[:3] == ["npx", "-y", "thing"]
    assert words[3:] == [answer.strip()]
    assert not words[3].startswith("-")
