"""The dashboard's three catalogues, the changelog, and the registry that the hub serves itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote

import pytest
from pytest_django import Settings

from mcphub.actor import HUB
from registry.actions import change_entry, set_status
from registry.models import Entry, Source
from registry.sync import passes
from registry.sync.client import Patience
from servers.actions import change_settings
from tests.registry.fake_source import FakeSource
from tests.tools.rest import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fake() -> Iterator[FakeSource]:
    with FakeSource() as source:
        yield source


@pytest.fixture
def mirror(fake: FakeSource) -> Source:
    """A registry of forty servers that was mirrored; all approved."""
    fake.fill(40, 130)
    fake.delete("io.github.user7/server-00007", "1.0.0")
    source = Source.objects.create(slug="fake", name="Fake", url=fake.url, pace_ms=0, approves=True)
    assert passes.run(source, patience=Patience(first=0.01)).state == "done"
    return source


# -- market ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("shipped")
def test_the_market_shows_official_entries_first(dana: Caller) -> None:
    entries = dana.get("/api/market/servers").data
    flags = [entry.get("is_official", False) for entry in entries]
    assert len(entries) == 126
    assert flags == sorted(flags, reverse=True)
    assert set(entries[0]) >= {
        "name", "display_name", "description", "repository", "homepage", "author", "license", "categories", "tags",
        "examples", "installations", "arguments", "tools",
    }  # fmt: skip


@pytest.mark.usefixtures("shipped")
def test_an_entry_of_the_market_tells_how_to_install_it(dana: Caller) -> None:
    time = dana.get("/api/market/servers/time").data
    assert time["installations"] == {"uvx": {"type": "uvx", "command": "uvx", "args": ["mcp-server-time"]}}
    github = dana.get("/api/market/servers/github").data
    docker = github["installations"]["docker"]
    assert docker["args"][:5] == ["run", "-i", "--rm", "-e", "GITHUB_PERSONAL_ACCESS_TOKEN"]
    assert docker["env"] == {"GITHUB_PERSONAL_ACCESS_TOKEN": "${GITHUB_PERSONAL_ACCESS_TOKEN}"}
    assert github["arguments"]["GITHUB_PERSONAL_ACCESS_TOKEN"]["required"]
    assert dana.get("/api/market/servers/nope").status == 404


@pytest.mark.usefixtures("shipped")
def test_a_search_of_the_market_needs_one_of_its_words(dana: Caller) -> None:
    found = [entry["name"] for entry in dana.get("/api/market/servers/search?query=PLAYWRIGHT%20zzzz").data]
    assert found[0] == "playwright"
    for nothing in ("", "?query=", "?query=%20", "?q=x"):
        assert dana.get(f"/api/market/servers/search{nothing}").status == 400


@pytest.mark.usefixtures("shipped")
def test_categories_and_tags_are_sorted(dana: Caller) -> None:
    categories = dana.get("/api/market/categories").data
    assert categories == sorted(categories)
    assert len(categories) == 9
    tags = dana.get("/api/market/tags").data
    assert tags == sorted(set(tags))
    assert "playwright" in [entry["name"] for entry in dana.get("/api/market/tags/browser").data]
    assert dana.get("/api/market/tags/nope").data == dana.get("/api/market/categories/nope").data == []
    assert len(dana.get("/api/market/categories/databases").data) == 20


def test_the_catalogues_need_a_user(nobody: Caller) -> None:
    for path in ("/api/market/servers", "/api/cloud/servers", "/api/registry/servers", "/api/changelog/update-info"):
        assert nobody.get(path).status == 401


# -- the mirror ------------------------------------------------------------------------------------------------------


def paged(caller: Caller, query: str) -> list[tuple[str, str, bool]]:
    found, cursor = [], ""
    while True:
        page = caller.get(f"/api/registry/servers?{query}{'&cursor=' + quote(cursor, safe='') if cursor else ''}").data
        for item in page["servers"]:
            meta = item["_meta"]["io.modelcontextprotocol.registry/official"]
            found.append((item["server"]["name"], item["server"]["version"], meta["isLatest"]))
        assert page["metadata"]["count"] == len(page["servers"])
        cursor = page["metadata"].get("nextCursor", "")
        if not cursor:
            return found


def test_paging_through_the_mirror_equals_paging_through_the_source(
    dana: Caller, mirror: Source, fake: FakeSource
) -> None:
    expected = [(*key, row.latest) for key, row in sorted(fake.rows.items()) if row.status != "deleted"]
    for limit in (1, 7, 30, 100):
        assert paged(dana, f"limit={limit}") == expected
    with_deleted = [(*key, row.latest) for key, row in sorted(fake.rows.items())]
    assert paged(dana, "limit=50&include_deleted=true") == with_deleted


def test_the_mirror_is_filtered_as_the_source_is(dana: Caller, mirror: Source, fake: FakeSource) -> None:
    assert len(paged(dana, "version=latest&limit=9")) == 40
    assert {name for name, _, _ in paged(dana, "search=SERVER-0000&limit=4")} == {
        f"io.github.user{n}/server-0000{n}" for n in range(10)
    }
    assert paged(dana, "search=100%25") == []
    assert len(paged(dana, "version=1.1.0")) == 40
    since = quote("2026-01-01T00:00:00Z", safe="")
    assert paged(dana, f"updated_since={since}") == paged(dana, "include_deleted=true")
    assert dana.get("/api/registry/servers?updated_since=yesterday").status == 400
    assert dana.get("/api/registry/servers?cursor=nonsense").status == 400
    assert dana.get("/api/registry/servers?limit=0").status == 400


def test_versions_of_a_server_come_newest_first(dana: Caller, mirror: Source) -> None:
    name = quote("io.github.user0/server-00000", safe="")
    data = dana.get(f"/api/registry/servers/versions?serverName={name}").data
    assert {item["server"]["version"] for item in data["servers"]} == {"1.0.0", "1.1.0", "1.2.0", "1.3.0"}
    latest = dana.get(f"/api/registry/servers/version?serverName={name}&version=latest").data
    assert latest["server"]["version"] == "1.3.0"
    assert dana.get(f"/api/registry/servers/version?serverName={name}&version=9").status == 404
    assert dana.get("/api/registry/servers/versions?serverName=nope%2Fnope").status == 404
    assert dana.get("/api/registry/servers/versions").status == 400
    assert dana.get("/api/registry/servers/version?serverName=x").status == 400


def test_a_flag_that_moved_silently_is_told_as_it_is(dana: Caller, mirror: Source, fake: FakeSource) -> None:
    fake.publish("io.github.user1/server-00001", "2.0.0")
    passes.run(mirror)
    name = quote("io.github.user1/server-00001", safe="")
    rows = dana.get(f"/api/registry/servers/versions?serverName={name}").data["servers"]
    flags = {
        row["server"]["version"]: row["_meta"]["io.modelcontextprotocol.registry/official"]["isLatest"] for row in rows
    }
    assert [version for version, flag in flags.items() if flag] == ["2.0.0"]


def test_a_registry_that_was_never_mirrored_is_asked_itself(dana: Caller, fake: FakeSource) -> None:
    fake.fill(3, 3)
    Source.objects.create(slug="fake", name="Fake", url=fake.url)
    assert len(dana.get("/api/registry/servers?limit=2").data["servers"]) == 2
    name = quote("io.github.user0/server-00000", safe="")
    assert (
        dana.get(f"/api/registry/servers/version?serverName={name}&version=latest").data["server"]["version"] == "1.0.0"
    )
    Source.objects.update(url="http://127.0.0.1:9/v0.1")
    assert dana.get("/api/registry/servers").status == 502


# -- the hub's own registry ------------------------------------------------------------------------------------------


def own(caller: Caller, path: str, **extra: Any) -> Any:
    return caller.get(path, **extra)


def test_the_hub_serves_what_the_caller_may_install(
    admin: Caller, nobody: Caller, dana: Caller, mirror: Source
) -> None:
    assert own(nobody, "/v0.1/servers").body == {"servers": [], "metadata": {"count": 0}}
    change_entry(Entry.objects.get(upstream_name="io.github.user3/server-00003").name, actor=HUB, self_service=True)
    names = [item["server"]["name"] for item in own(dana, "/v0.1/servers").body["servers"]]
    assert names == ["io.github.user3/server-00003"]
    everything, cursor = [], ""
    while True:
        page = own(admin, f"/v0.1/servers?limit=7{'&cursor=' + quote(cursor, safe='') if cursor else ''}").body
        everything += [item["server"]["name"] for item in page["servers"]]
        cursor = page["metadata"].get("nextCursor", "")
        if not cursor:
            break
    assert everything == sorted(name for name, _ in {(row[0], 1) for row in mirror.versions.values_list("name")})


def test_the_hubs_registry_speaks_as_the_official_one(admin: Caller, shipped: None, mirror: Source) -> None:
    page = own(admin, "/v0.1/servers?search=time").body
    item = next(one for one in page["servers"] if one["server"]["name"] == "mcphub.builtin/time")
    assert item["_meta"]["io.modelcontextprotocol.registry/official"]["status"] == "active"
    assert item["_meta"]["io.mcphub.registry/curation"]["category"] == "development"
    one = own(admin, "/v0/servers/mcphub.builtin%2Ftime/versions/latest").body
    assert one["server"] == item["server"]
    versions = own(admin, "/v0.1/servers/io.github.user0%2Fserver-00000/versions").body["servers"]
    assert len(versions) == 4
    exact = own(admin, "/v0.1/servers/io.github.user0%2Fserver-00000/versions/1.0.0").body
    assert exact["server"]["version"] == "1.0.0"
    assert own(admin, "/v0.1/servers/nope%2Fnope/versions").status == 404
    assert own(admin, "/v0.1/servers/nope%2Fnope/versions").body == {
        "error": "There is no such server in this registry."
    }


def test_the_hubs_registry_is_for_web_pages_too_and_read_only(nobody: Caller, shipped: None) -> None:
    reply = own(nobody, "/v0.1/servers")
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    again = own(nobody, "/v0.1/servers", headers={"If-None-Match": reply.headers["ETag"]})
    assert again.status == 304
    assert nobody.post("/v0.1/publish", {}).status == 501
    assert nobody.post("/v0.1/servers", {}).body == {"error": "This registry is read-only."}
    assert own(nobody, "/v0.1/health").body == {"status": "ok"}


# -- entries for people who install ----------------------------------------------------------------------------------


def test_admins_find_drafts_and_users_do_not(admin: Caller, dana: Caller, mirror: Source) -> None:
    set_status(["io.github.user3-server-00003"], actor=HUB, status="draft")
    assert dana.get("/api/registry/entries?search=00003").body["total"] == 0
    assert admin.get("/api/registry/entries?search=00003").data[0]["status"] == "draft"
    assert admin.get("/api/registry/entries?status=draft").body["total"] == 1


def test_an_entry_shows_its_ways_its_plan_and_is_installed(admin: Caller, shipped: None) -> None:
    entry = admin.get("/api/registry/entries/brave-search").data
    way = entry["ways"][0]
    assert way["inputs"][0] == {
        "name": "BRAVE_API_KEY", "description": "API key", "required": True, "secret": True, "format": "string",
        "default": None, "placeholder": "", "choices": [],
    }  # fmt: skip
    answers = {"BRAVE_API_KEY": "very-secret"}
    plan = admin.post("/api/registry/entries/brave-search/plan", {"way": way["id"], "answers": answers}).data
    assert plan["command"] == "BRAVE_API_KEY=•••••• npx -y @brave/brave-search-mcp-server --transport stdio"
    assert admin.post("/api/registry/entries/brave-search/plan", {}).status == 400
    done = admin.post("/api/registry/entries/brave-search/install", {"answers": answers, "server": "brave"})
    assert (done.status, done.data["server"]) == (201, "brave")
    assert admin.get("/api/registry/entries/brave-search").data["installed"]["server"] == "brave"


def test_an_installed_entry_knows_that_a_newer_version_exists(admin: Caller, mirror: Source, fake: FakeSource) -> None:
    name = "io.github.user0-server-00000"
    assert admin.post(f"/api/registry/entries/{name}/install", {"answers": {"API_KEY": "x"}}).status == 201
    fake.publish("io.github.user0/server-00000", "2.0.0")
    passes.run(mirror)
    installed = admin.get(f"/api/registry/entries/{name}").data["installed"]
    assert (installed["version"], installed["newer_version"]) == ("1.3.0", "2.0.0")


def test_a_wish_is_made_and_decided(admin: Caller, dana: Caller, mirror: Source) -> None:
    set_status(["io.github.user3-server-00003"], actor=HUB, status="draft")
    wish = dana.post("/api/registry/requests", {"subject": "io.github.user3/server-00003", "reason": "please"})
    assert (wish.status, wish.data["entry"]) == (201, "io.github.user3-server-00003")
    assert dana.post("/api/registry/requests", {"subject": "io.github.user3/server-00003"}).status == 409
    path = f"/api/registry/requests/{wish.data['id']}"
    assert dana.post(path, {"approve": True}).status == 403
    assert admin.post(path, {"approve": False}).status == 400
    assert admin.post(path, {"approve": True, "answer": "of course"}).data["state"] == "approved"
    assert dana.get("/api/registry/requests").data[0]["answer"] == "of course"
    assert Entry.objects.get(name="io.github.user3-server-00003").status == "approved"
    assert admin.post(path, {"approve": True}).status == 409


def test_sources_tell_their_health_to_admins(admin: Caller, dana: Caller, mirror: Source) -> None:
    assert dana.get("/api/registry/sources").status == 403
    assert admin.get("/api/registry/sources").data[0]["alarm"] == ""
    assert admin.post("/api/registry/sources/fake/sync", {"kind": "full"}).status == 202
    assert admin.post("/api/registry/sources/nope/sync", {}).status == 404


# -- cloud -----------------------------------------------------------------------------------------------------------


class Cloud:
    """An API in MCPRouter's form."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.code = 0
        server = {
            "name": "search", "config_name": "web-search", "title": "Search", "author_name": "Ann",
            "description": "Finds.", "content": "A web search tool, by email too", "server_key": "ann/search",
            "created_at": "", "updated_at": "",
        }  # fmt: skip
        self.answers: dict[str, Any] = {
            "/v1/list-servers": {"servers": [server]},
            "/v1/list-tools": {"tools": [{"name": "find", "description": "Finds", "inputSchema": {}}]},
            "/v1/call-tool": {"content": [{"type": "text", "text": "found"}], "isError": False},
        }

    def __enter__(self) -> Cloud:
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                cloud.asked.append((self.path, dict(self.headers), body))
                told = {"code": cloud.code, "message": "quota", "data": cloud.answers[self.path]}
                raw = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: object) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as market:
        change_settings(actor=HUB, values={"mcpRouter": {"baseUrl": market.url, "apiKey": "k"}})
        yield market


def test_the_cloud_market_is_asked_and_searched(dana: Caller, cloud: Cloud) -> None:
    assert dana.get("/api/cloud/servers").data[0]["name"] == "search"
    path, headers, _ = cloud.asked[-1]
    assert (path, headers["Authorization"], headers["X-Title"]) == ("/v1/list-servers", "Bearer k", "MCPHub")
    assert headers["HTTP-Referer"]
    assert len(dana.get("/api/cloud/servers/search?query=zzz%20ann").data) == 1
    assert dana.get("/api/cloud/servers/search?query=zzz").data == []
    assert dana.get("/api/cloud/servers/search").status == 400
    one = dana.get("/api/cloud/servers/web-search").data
    assert one["tools"][0]["name"] == "find"
    assert dana.get("/api/cloud/servers/nope").status == 404
    assert dana.get("/api/cloud/categories").data == ["communication"]
    assert dana.get("/api/cloud/tags").data == ["email", "search", "web"]
    assert (
        len(dana.get("/api/cloud/tags/search").data) == len(dana.get("/api/cloud/categories/communication").data) == 1
    )


def test_a_tool_of_the_cloud_is_called(dana: Caller, cloud: Cloud) -> None:
    assert dana.get("/api/cloud/servers/ann%2Fsearch/tools").data[0]["name"] == "find"
    called = dana.post("/api/cloud/servers/ann%2Fsearch/tools/find/call", {"arguments": {"q": "x"}}).data
    assert called == {"content": [{"type": "text", "text": "found"}], "isError": False}
    assert cloud.asked[-1][2] == {"server": "ann/search", "name": "find", "arguments": {"q": "x"}}
    assert dana.post("/api/cloud/servers/x/tools/y/call", {"arguments": "x"}).status == 400


def test_failures_of_the_cloud_are_clear(dana: Caller, cloud: Cloud) -> None:
    cloud.code = 7
    refused = dana.get("/api/cloud/servers")
    assert (refused.status, "quota" in refused.body["message"]) == (500, True)
    change_settings(actor=HUB, values={"mcpRouter": {"baseUrl": "http://127.0.0.1:9/v1"}})
    assert dana.get("/api/cloud/servers").status == 500
    change_settings(actor=HUB, values={"mcpRouter": {"apiKey": ""}})
    assert dana.get("/api/cloud/servers/x/tools").body["message"] == "MCPROUTER_API_KEY_NOT_CONFIGURED"
    assert dana.post("/api/cloud/servers/x/tools/y/call", {}).body["message"] == "MCPROUTER_API_KEY_NOT_CONFIGURED"


# -- changelog -------------------------------------------------------------------------------------------------------


def test_no_update_is_looked_for_unless_it_is_configured(dana: Caller) -> None:
    data = dana.get("/api/changelog/update-info").data
    assert (data["source"], data["hasUpdate"], data["entries"]) == ("disabled", False, [])


def test_a_newer_version_is_told_with_its_changes(dana: Caller, settings: Settings, cloud: Cloud) -> None:
    releases = {
        "entries": [
            {"version": v, "title": f"Version {v}", "highlights": ["x"], "categories": ["feature", "z"]}
            for v in ("1.2.0", "1.10.0", "0.9.0")
        ]
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raw = json.dumps(releases).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *args: object) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    settings.CHANGELOG_URL = f"http://127.0.0.1:{server.server_address[1]}/"
    data = dana.get("/api/changelog/update-info?currentVersion=1.0.0&locale=zh-CN").data
    server.shutdown()
    server.server_close()
    assert (data["latestVersion"], data["hasUpdate"], data["totalUpdateCount"]) == ("1.10.0", True, 2)
    assert data["entries"][0]["categories"] == ["feature"]
    assert dana.get("/api/changelog/update-info?currentVersion=1.10.0&locale=zh").data["hasUpdate"] is False
    assert dana.get("/api/changelog/update-info?force=true&locale=zh").status == 500
    settings.DISABLE_UPDATE_CHECK = True
    assert dana.get("/api/changelog/update-info").data["source"] == "disabled"
