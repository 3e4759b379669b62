"""What a door exposes: names, selections, overrides, built-ins, apps (behaviour 1.5, 1.6, 1.9, 1.12, 2.3)."""

from __future__ import annotations

import json
import time
from typing import Any

from mcphub.gateway.catalog import Catalog, Catalogs, Target
from mcphub.gateway.principal import Principal
from mcphub.gateway.selector import resolve
from mcphub.gateway.snapshot import (
    BuiltinPrompt,
    BuiltinResource,
    GroupSpec,
    Member,
    Offer,
    ServerSpec,
    Snapshot,
    Switches,
)
from tests.gateway.world import ALL, World, prompt, resource, server, snapshot, template, tool

UI = {"extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": ["text/html;profile=mcp-app"]}}}
G = "22222222-2222-4222-8222-222222222222"


def catalog(made: Snapshot, target: str = "", *, raw: bool | None = None, who: Principal = ALL) -> Catalog:
    selector = resolve(made, target, raw_names=raw)
    assert selector is not None
    return Catalogs().of(made, selector, who)


def names(found: Catalog, listing: Any = "tools", **options: Any) -> list[str]:
    items = json.loads(found.render(listing, modern=False, **options))
    return [item.get("name") for item in next(iter(items.values()))]


def leads(found: Target | None) -> tuple[str, str] | None:
    return None if found is None else (found.server.name, found.name)


def grouped(*members: Member, servers: tuple[ServerSpec, ...]) -> Snapshot:
    return snapshot(*servers, groups={G: GroupSpec(G, "g", members)})


def test_names_are_looked_up_and_never_taken_apart() -> None:
    made = snapshot(server("a", tool("b-c")), server("a-b", tool("c"), tool("d")))
    found = catalog(made)
    assert names(found) == ["a-b-c", "a-b-d"]  # the first server wins, and the name is listed once
    assert leads(found.tool("a-b-c")) == ("a", "b-c")
    assert leads(found.tool("a-b-d")) == ("a-b", "d")
    assert found.tool("b-c") is None


def test_the_separator_applies_at_once() -> None:
    found = catalog(snapshot(server("a", tool("t")), server("b"), switches=Switches(separator="::")))
    assert names(found) == ["a::t"]
    assert found.tool("a-t") is None


def test_a_server_route_takes_both_forms_of_a_name() -> None:
    made = snapshot(server("a", tool("t"), prompt("p")))
    prefixed, raw = catalog(made, "a"), catalog(made, "a", raw=True)
    assert (names(prefixed), names(raw)) == (["a-t"], ["t"])
    for found in (prefixed, raw):
        assert leads(found.tool("t")) == leads(found.tool("a-t")) == ("a", "t")
    assert names(catalog(snapshot(server("a", tool("t")), switches=Switches(server_route_names="raw")), "a")) == ["t"]


def test_a_listed_name_beats_the_second_form_of_another() -> None:
    made = snapshot(server("a", tool("x"), tool("a-x")))
    assert leads(catalog(made, "a", raw=True).tool("a-x")) == ("a", "a-x")
    assert leads(catalog(made, "a").tool("a-x")) == ("a", "x")


def test_raw_definitions_pass_byte_for_byte() -> None:
    item = tool("t", odd={"big": 12345678901234567890123, "x": None}, outputSchema={"type": "object"})
    found = catalog(snapshot(server("a", item)), "a", raw=True)
    assert item.definition in found.render("tools", modern=True)
    assert item.definition in found.render("tools", modern=False)


def test_prefixed_definitions_keep_what_the_hub_does_not_own() -> None:
    item = tool("t", odd={"n": 1.50, "x": None}, inputSchema={"$schema": "https://json-schema.org/x", "type": "object"})
    shown = json.loads(catalog(snapshot(server("a", item), server("b"))).render("tools", modern=False))["tools"][0]
    assert shown == {**json.loads(item.definition), "name": "a-t", "description": ""}


def test_disabled_items_are_neither_listed_nor_callable() -> None:
    off = Offer(tool("off"), enabled=False)
    found = catalog(
        snapshot(
            server(
                "a",
                off,
                tool("on"),
                Offer(prompt("p"), enabled=False),
                Offer(resource("x://1"), enabled=False),
                template("x://{id}"),
            )
        ),
        "a",
    )
    assert names(found) == ["a-on"]
    assert found.tool("a-off") is None
    assert found.tool("off") is None
    assert found.prompt("a-p") is None
    assert found.resource("x://1") is None  # not through a template either
    assert found.resource("x://2") is not None


def test_descriptions_are_overridden() -> None:
    items = (
        Offer(tool("t", description="old"), description="new"),
        Offer(tool("u", description="old"), description=""),
        Offer(prompt("p", description="old"), description=""),
    )
    found = catalog(snapshot(server("a", *items)), "a", raw=True)
    tools = json.loads(found.render("tools", modern=False))["tools"]
    assert [each["description"] for each in tools] == ["new", ""]
    assert json.loads(found.render("prompts", modern=False))["prompts"][0]["description"] == "old"


def test_a_group_selects_and_renames() -> None:
    servers = (
        server("one", tool("a"), tool("b"), prompt("p"), resource("x://1"), resource("y://1"), template("x://{id}"),
               template("z://{id}")),
        server("two", tool("a")),
        server("three", tool("a")),
    )  # fmt: skip
    member = Member("one", alias="uno", tools=frozenset({"a"}), prompts=frozenset(), resources=frozenset({"x://1"}))
    found = catalog(grouped(Member("two"), member, servers=servers), "g")
    assert names(found) == ["uno-a", "two-a"]  # in the hub's order of servers
    assert leads(found.tool("uno-a")) == leads(found.tool("one-a")) == ("one", "a")
    assert found.tool("uno-b") is None
    assert found.tool("one-b") is None
    assert found.tool("three-a") is None
    assert names(found, "prompts") == []
    assert found.resource("x://1") is not None
    assert found.resource("y://1") is None
    assert names(found, "templates") == ["x://{id}"]
    assert found.resource("z://5") is None


def test_an_empty_selection_selects_nothing() -> None:
    found = catalog(grouped(Member("one", tools=frozenset()), servers=(server("one", tool("a")),)), "g")
    assert names(found) == []


def test_a_group_tells_its_name_only_when_it_holds_several_servers() -> None:
    servers = (server("one"), server("two"))
    many = catalog(grouped(Member("one"), Member("two"), servers=servers), "g")
    assert json.loads(many.server_info)["name"] == "mcphub_g_group"
    assert many.instructions is None
    one = catalog(grouped(Member("one"), servers=servers), "g")
    assert json.loads(one.server_info) == {"name": "one", "version": "7"}
    assert one.instructions == "Use one well."


def test_only_a_raw_route_passes_the_upstreams_identity_through() -> None:
    made = snapshot(server("one"))
    assert json.loads(catalog(made, "one", raw=True).server_info) == {"name": "upstream-of-one", "version": "7"}
    assert json.loads(catalog(snapshot(server("a"), server("b"))).server_info)["name"] == "mcphub"


def test_resources_are_found_by_uri_then_by_template() -> None:
    found = catalog(
        snapshot(
            server("a", resource("x://1"), template("t://{kind}/{id}/data")),
            server("b", resource("x://1"), resource("t://k/1/data")),
        )
    )

    def owner(uri: str) -> str | None:
        target = found.resource(uri)
        return target.server.name if isinstance(target, Target) else None

    assert owner("x://1") == "a"
    assert owner("t://k/1/data") == "b"
    assert owner("t://k/2/data") == "a"
    assert owner("t://k/2/3/data") is None
    assert owner("t://k/2/data/more") is None
    assert names(found, "resources") == ["x://1", "t://k/1/data"]


def built_in(made: Snapshot) -> Snapshot:
    prompts = (BuiltinPrompt("greet", b'{"name":"greet"}', "Hello {{who}}, {{missing}}", ("who",)),)
    resources = (BuiltinResource("resource://g", b"{}", "text/plain", "txt"),)
    return Snapshot(made.revision, made.servers, made.groups, made.users, prompts, resources, made.switches)


def test_the_hubs_own_items_come_first() -> None:
    found = catalog(built_in(snapshot(server("a", prompt("p"), resource("resource://g"), resource("x://1")))))
    shown = json.loads(found.render("prompts", modern=False))["prompts"]
    assert shown[0] == {"name": "greet", "description": "", "title": "greet", "arguments": []}
    assert shown[1]["name"] == "a-p"
    resources = json.loads(found.render("resources", modern=False))["resources"]
    assert [each["uri"] for each in resources] == ["resource://g", "x://1"]
    assert isinstance(found.resource("resource://g"), BuiltinResource)


async def test_the_hubs_own_items_are_answered_in_both_eras(world: World) -> None:
    world.app.swap(built_in(snapshot(server("a", tool("t")), revision=2)))
    session, _ = await world.initialize("/mcp/a")
    params = {"name": "greet", "arguments": {"who": "Ann"}}
    legacy = await world.legacy(session, "prompts/get", params, path="/mcp/a")
    assert legacy.json["result"] == {
        "messages": [{"role": "user", "content": {"type": "text", "text": "Hello Ann, {{missing}}"}}]
    }
    read = await world.modern("resources/read", {"uri": "resource://g"})
    assert read.json["result"]["contents"] == [{"uri": "resource://g", "mimeType": "text/plain", "text": "txt"}]
    assert (read.json["result"]["resultType"], read.json["result"]["cacheScope"]) == ("complete", "private")
    assert [(record.item, record.status, record.server) for record in world.records] == [
        ("greet", "ok", ""),
        ("resource://g", "ok", ""),
    ]


APP = tool("page", _meta={"ui": {"resourceUri": "ui://p", "visibility": ["app"]}})
SEEN = tool("seen", _meta={"ui": {"resourceUri": "ui://p"}, "ui/resourceUri": "ui://p", "other": 1})


def test_clients_without_apps_see_nothing_of_them() -> None:
    found = catalog(snapshot(server("a", APP, SEEN, tool("bare", _meta={"ui": {}})), server("b")))
    shown = json.loads(found.render("tools", modern=False))["tools"]
    assert [each["name"] for each in shown] == ["a-seen", "a-bare"]
    assert shown[0]["_meta"] == {"other": 1}
    assert "_meta" not in shown[1]
    assert found.tool("a-page") is None
    assert found.tool("a-page", apps=True) is not None


async def test_clients_with_apps_get_raw_names_on_a_server_route(world: World) -> None:
    world.app.swap(snapshot(server("a", APP, SEEN), server("b", tool("t")), revision=2))
    alone = await world.modern("tools/list", path="/mcp/a", capabilities=UI)
    shown = alone.json["result"]["tools"]
    assert [each["name"] for each in shown] == ["page", "seen"]
    assert shown[1]["_meta"] == json.loads(SEEN.definition)["_meta"]
    together = await world.modern("tools/list", capabilities=UI)
    assert [each["name"] for each in together.json["result"]["tools"]] == ["a-page", "a-seen", "b-t"]
    session, _ = await world.initialize("/mcp/a", capabilities=UI)
    legacy = await world.legacy(session, "tools/list", path="/mcp/a")
    assert [each["name"] for each in legacy.json["result"]["tools"]] == ["page", "seen"]


def test_output_schemas_that_are_no_objects_are_for_the_stateless_revision() -> None:
    found = catalog(snapshot(server("a", tool("t", outputSchema={"type": "array"}))), "a", raw=True)
    assert "outputSchema" in json.loads(found.render("tools", modern=True))["tools"][0]
    assert "outputSchema" not in json.loads(found.render("tools", modern=False))["tools"][0]


async def test_lists_of_the_stateless_revision_carry_cache_hints(world: World) -> None:
    for method in ("tools/list", "prompts/list", "resources/list", "resources/templates/list", "server/discover"):
        result = (await world.modern(method)).json["result"]
        assert result["resultType"] == "complete"
        assert result["cacheScope"] == "private"
        assert result["ttlMs"] == 0
        assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "mcphub"


async def test_cursors_are_never_valid(world: World) -> None:
    session, _ = await world.initialize()
    for cursor in ("", "x"):
        assert (await world.legacy(session, "tools/list", {"cursor": cursor})).json["error"]["code"] == -32602


def test_a_catalog_survives_a_snapshot_that_changed_nothing_behind_it() -> None:
    a, b = server("a", tool("t")), server("b", tool("t"))
    catalogs = Catalogs()
    first, second = snapshot(a, b), snapshot(a, server("b", tool("u")), revision=2)
    door = resolve(first, "a")
    assert door is not None
    everything = resolve(first, "")
    assert everything is not None
    assert catalogs.of(first, door, ALL) is catalogs.of(second, door, ALL)
    before = catalogs.of(first, everything, ALL)
    after = catalogs.of(second, everything, ALL)
    assert before is not after
    assert before.fingerprint("tools") != after.fingerprint("tools")
    assert before.fingerprint("prompts") == after.fingerprint("prompts")


def test_many_tools_are_rendered_quickly() -> None:
    servers = [server(f"s{n}", *(tool(f"t{m}", description="x" * 200) for m in range(100))) for n in range(50)]
    found = catalog(snapshot(*servers))
    started = time.process_time()
    assert len(names(found)) == 5000
    assert time.process_time() - started < 1.0
    assert found.render("tools", modern=False) is found.render("tools", modern=False)


async def test_names_can_be_asked_for_in_the_address(world: World) -> None:
    reply = await world.modern("tools/list", path="/mcp/a", query="names=raw")
    assert [each["name"] for each in reply.json["result"]["tools"]] == ["echo", "add"]
    assert reply.json["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "upstream-of-a"
