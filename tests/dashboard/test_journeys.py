"""What people do with the dashboard, from the first start on, in a real browser; results are checked as a client."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from tests.dashboard.conftest import NARROW, Open, sign_in
from tests.tools.hub import PASSWORD, TestHub
from tests.tools.processes import FIXTURES, REPOSITORY, until

pytestmark = pytest.mark.browser


def test_from_the_first_start_to_a_working_endpoint(empty_hub: TestHub, open_page: Open) -> None:
    page = open_page(empty_hub.url)
    page.get_by_text("First time here?").wait_for()
    sign_in(page, "admin")
    page.get_by_role("heading", name="Welcome to MCPHub").wait_for()
    page.get_by_role("button", name="Add the demo server").click()
    page.get_by_role("heading", name="roll_dice").wait_for()
    page.get_by_role("button", name="Connect a client").click()
    page.get_by_role("button", name="Make a key").click()
    key = page.locator("#new-key").inner_text()
    client = TestHub(empty_hub.url, empty_hub.process, key, empty_hub.data)
    assert "demo-roll_dice" in client.tools("/mcp/demo")
    assert client.call("demo-roll_dice", {"count": 3}, "/mcp/demo")["result"]["structuredContent"]["total"] >= 3


def test_signing_in_needs_the_right_password_and_leads_back(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/groups")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("The user name or the password is not right.").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/dashboard/groups")
    page.locator("#who").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto(peopled_hub.url + "/dashboard")
    page.wait_for_url("**/login**")


def test_a_server_added_by_form_is_seen_connecting(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/servers/new", user="admin")
    page.get_by_label("Name", exact=True).fill("by-form")
    page.get_by_label("Command", exact=True).fill(f"{sys.executable} -S -E '{FIXTURES}/raw_stdio.py' --tools 3")
    page.get_by_role("button", name="Test connection").click()
    page.get_by_text("It works.").wait_for()
    assert "by-form" not in str(peopled_hub.api("GET", "/servers"))
    page.get_by_role("button", name="Add server").click()
    page.wait_for_url("**/dashboard/server/by-form")
    page.locator("#server-head .tag.ok").wait_for()
    assert any(name.startswith("by-form-") for name in peopled_hub.tools())


def test_a_server_that_cannot_start_says_why_before_it_is_added(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/servers/new", user="admin")
    page.get_by_label("Command", exact=True).fill("no-such-program-anywhere --x")
    page.get_by_role("button", name="Test connection").click()
    page.get_by_text("It does not connect.").wait_for()


@pytest.mark.parametrize(
    ("pasted", "names"),
    [
        ('{"mcpServers": {"pasted-a": {"command": "%s", "args": ["-c", "1"]},}} // Claude Desktop', ["pasted-a"]),
        ('{"mcpServers": {"pasted-b": {"url": "http://127.0.0.1:9/sse"}}}', ["pasted-b"]),
        ('{"servers": {"pasted-c": {"type": "http", "url": "http://127.0.0.1:9/mcp"}}, "inputs": []}', ["pasted-c"]),
    ],
)
def test_pasted_json_is_shown_before_it_is_added(
    peopled_hub: TestHub, open_page: Open, pasted: str, names: list[str]
) -> None:
    page = open_page(peopled_hub.url + "/dashboard/servers/new?from=json", user="admin")
    page.get_by_label("JSON", exact=True).fill(pasted.replace("%s", sys.executable))
    page.get_by_text("1 server found").wait_for()
    page.get_by_role("button", name="Add the chosen servers").click()
    page.wait_for_url(f"**/dashboard/server/{names[0]}")
    assert peopled_hub.api("GET", f"/servers/{names[0]}")[0] == 200


def test_a_bundle_is_uploaded_and_runs(peopled_hub: TestHub, open_page: Open, tmp_path: Path) -> None:
    start = {"command": sys.executable, "args": ["-I", "${__dirname}/server.py"]}
    manifest = {
        "manifest_version": "0.3",
        "name": "bundled",
        "version": "1.0.0",
        "server": {"type": "python", "entry_point": "server.py", "mcp_config": start},
    }
    with zipfile.ZipFile(tmp_path / "bundled.mcpb", "w") as bundle:
        bundle.writestr("manifest.json", json.dumps(manifest))
        bundle.write(REPOSITORY / "servers" / "demo_server.py", "server.py")
    page = open_page(peopled_hub.url + "/dashboard/servers/new?from=bundle", user="admin")
    page.get_by_label("Bundle", exact=True).set_input_files(tmp_path / "bundled.mcpb")
    page.get_by_role("button", name="Upload and add").click()
    page.wait_for_url("**/dashboard/server/bundled/tools")
    page.get_by_role("heading", name="roll_dice").wait_for()


def test_a_tool_switched_off_is_lost_to_clients_at_once(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/server/files", user="admin")
    switch = page.get_by_role("switch", name="echo", exact=True)
    switch.click()
    page.locator(".item.is-off").wait_for()
    assert "files-echo" not in peopled_hub.tools()
    switch.click()
    page.locator(".item.is-off").wait_for(state="detached")
    assert "files-echo" in peopled_hub.tools()


def test_a_description_is_changed_and_set_back(peopled_hub: TestHub, open_page: Open) -> None:
    def description() -> str:
        tools = peopled_hub.rpc("/mcp", "tools/list")["result"]["tools"]
        return str(next(tool["description"] for tool in tools if tool["name"] == "files-add"))

    own = description()
    page = open_page(peopled_hub.url + "/dashboard/server/files?find=add", user="admin")
    page.get_by_label("Details of add", exact=True).click()
    page.get_by_label("Description for clients").fill("Sums two numbers up")
    page.get_by_role("button", name="Save the description").click()
    page.get_by_text("described here").wait_for()
    assert description() == "Sums two numbers up"
    page.get_by_label("Details of add", exact=True).click()
    page.get_by_role("button", name="Back to the server's own").click()
    page.get_by_text("described here").wait_for(state="detached")
    assert description() == own


def test_a_tool_is_tried_and_the_call_is_found_in_its_activity(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/server/files/try?kind=tool&item=echo", user="admin")
    page.get_by_label("text", exact=False).first.fill("a tiger in the tank")
    page.get_by_role("button", name="Call").click()
    page.locator("#outcome").get_by_text("a tiger in the tank").first.wait_for()
    page.goto(peopled_hub.url + "/dashboard/server/files/activity")
    until(lambda: page.reload() and page.locator("tbody tr", has_text="echo").count() > 0, 15, "the call in Activity")


def test_a_group_is_composed_and_called(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/groups/new", user="admin")
    page.get_by_label("Name", exact=True).fill("composed")
    page.get_by_label("files is in the group").check()
    page.get_by_label("What of files").click()
    page.get_by_label("All tools, also those that come later").uncheck()
    for box in page.locator('[name="tools:files"]').all():
        box.set_checked(box.get_attribute("value") == "echo")
    page.get_by_label("Called here").first.fill("fs")
    page.locator("#preview").get_by_text("1 tool,").wait_for()
    page.get_by_role("button", name="Add group").click()
    page.get_by_text("composed was saved.").wait_for()
    assert peopled_hub.tools("/mcp/composed") == ["fs-echo"]
    assert "result" in peopled_hub.call("fs-echo", {"text": "x"}, "/mcp/composed")
    page.get_by_label("Remove composed").click()
    page.get_by_role("button", name="Remove it").click()
    page.get_by_text("composed was removed.").wait_for()


def test_what_changes_elsewhere_is_seen_without_loading_again(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/servers", user="admin")
    row = page.locator("tr", has=page.get_by_role("link", name="quiet", exact=True))
    row.get_by_text("Off").wait_for()
    peopled_hub.api("POST", "/servers/quiet/toggle", {"enabled": True})
    row.get_by_text("Connected").wait_for()
    peopled_hub.api("POST", "/servers/quiet/toggle", {"enabled": False})
    row.get_by_text("Off").wait_for()


def test_a_line_of_the_log_arrives(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/server/files/logs", user="admin")
    page.get_by_text("live", exact=True).wait_for()
    peopled_hub.api("POST", "/servers/files/reload")
    page.locator("[data-log-lines] > div").first.wait_for()


def test_several_servers_are_switched_at_once(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/servers", user="admin")
    for name in ("quiet", "shared"):
        page.get_by_label(f"Choose {name}").check()
    page.get_by_text("2 chosen").wait_for()
    page.get_by_role("button", name="Switch on").click()
    page.get_by_text("2 servers switched on.").wait_for()
    assert peopled_hub.api("GET", "/servers/quiet")[1]["data"]["config"]["enabled"]
    peopled_hub.api("POST", "/servers/quiet/toggle", {"enabled": False})


def test_a_plain_user_sees_only_what_is_theirs(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/servers", user="bob")
    page.get_by_role("link", name="shared", exact=True).wait_for()
    assert page.locator("td .name").all_inner_texts() == ["shared"]
    assert page.get_by_role("switch").count() == 0
    assert page.get_by_role("link", name="Users").count() == 0
    assert page.request.get(peopled_hub.url + "/dashboard/server/files").status == 404
    assert page.request.get(peopled_hub.url + "/dashboard/server/shared/settings").status == 404


def test_everything_can_be_reached_by_keyboard(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard", user="admin")
    page.keyboard.press("Control+k")
    page.get_by_role("option").first.wait_for()
    page.keyboard.type("fil")
    page.locator('[role="option"]', has_text="files").first.wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url("**/dashboard/server/files")
    page.keyboard.press("/")
    page.keyboard.type("echo")
    until(lambda: page.locator(".item").count() == 1, 10, "the tools narrowed to one")
    page.goto(peopled_hub.url + "/dashboard/servers")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"


def test_the_menu_opens_on_narrow_screens(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard", user="admin", viewport=NARROW)
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("link", name="Groups").click()
    page.wait_for_url("**/dashboard/groups")


def test_the_chosen_colours_stay(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard", user="admin", scheme="light")
    page.locator("#who").click()
    page.get_by_role("button", name="Dark").click()
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
