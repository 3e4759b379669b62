"""Keys, users, settings and the registry in a real browser."""

from __future__ import annotations

import re

import pytest

from tests.dashboard.conftest import Open
from tests.tools.hub import PASSWORD, TestHub
from tests.tools.processes import until

pytestmark = pytest.mark.browser


def test_a_key_is_made_shown_once_and_used(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/keys", user="admin")
    page.get_by_role("button", name="Make a key").first.click()
    page.get_by_label("Name", exact=True).fill("only shared")
    page.get_by_label("Listed servers", exact=True).check()
    page.get_by_label("shared", exact=True).check()
    page.get_by_role("button", name="Make the key").click()
    token = page.locator("#new-key").inner_text()
    assert token.startswith("mcphub_") and token in page.get_by_role("tabpanel").first.inner_text()
    page.keyboard.press("Escape")
    page.locator("#new-key").wait_for(state="detached")
    page.get_by_role("button", name="only shared", exact=True).wait_for()
    assert token not in page.content()
    client = holding(peopled_hub, token)
    assert {name.split("-")[0] for name in client.tools("/mcp/shared")} == {"shared"}
    assert "error" in client.rpc("/mcp/files", "tools/list")


def test_a_key_switched_off_is_refused_and_revoked_for_good(peopled_hub: TestHub, open_page: Open) -> None:
    made = peopled_hub.api("POST", "/auth/keys", {"name": "short lived", "accessType": "all"})[1]["data"]
    client = holding(peopled_hub, made["token"])
    assert client.tools()
    page = open_page(peopled_hub.url + "/dashboard/keys?q=short", user="admin")
    page.get_by_role("switch", name="short lived").click()
    until(lambda: "error" in client.rpc("/mcp", "tools/list"), 5, "a refused key")
    page.get_by_role("button", name="Revoke short lived").click()
    page.get_by_role("button", name="Revoke it").click()
    page.get_by_text("No key fits").wait_for()


def holding(hub: TestHub, key: str) -> TestHub:
    """The same hub for a client that holds another key."""
    return TestHub(hub.url, hub.process, key, hub.data)


def test_a_plain_user_makes_a_key_that_acts_for_them(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/keys", user="bob")
    page.get_by_role("button", name="Make a key").first.click()
    assert page.get_by_text("What does it reach?").count() == 0
    page.get_by_label("Name", exact=True).fill("bob's own")
    page.get_by_role("button", name="Make the key").click()
    token = page.locator("#new-key").inner_text()
    assert {name.split("-")[0] for name in holding(peopled_hub, token).tools()} == {"shared"}


def test_a_user_is_added_with_a_password_that_is_shown_once(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/users", user="admin")
    page.get_by_role("button", name="Add user").click()
    page.get_by_label("User name").fill("carol")
    page.get_by_role("button", name="Add", exact=True).click()
    password = page.locator("#made").inner_text()
    open_page(peopled_hub.url + "/dashboard", user="carol", password=password).get_by_role(
        "heading", level=1
    ).wait_for()


def test_a_weak_password_is_refused_with_the_rules(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/users", user="admin")
    page.get_by_role("button", name="Add user").click()
    page.get_by_label("User name").fill("weak")
    page.get_by_label("Password").fill("abc")
    with page.expect_response(re.compile("users/add")) as refused:
        page.get_by_role("button", name="Add", exact=True).click()
    assert refused.value.status == 422
    page.get_by_text("It must contain a digit.").wait_for()
    assert page.get_by_label("User name").input_value() == "weak"


def test_people_change_their_own_password_and_stay_signed_in(peopled_hub: TestHub, open_page: Open) -> None:
    peopled_hub.api("POST", "/users", {"username": "dave", "password": PASSWORD})
    page = open_page(peopled_hub.url + "/dashboard", user="dave")
    page.get_by_role("button", name="dave").click()
    page.get_by_role("button", name="Change password").click()
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password").fill("An0ther!password")
    page.get_by_role("button", name="Change it").click()
    page.get_by_text("Your password was changed.").wait_for()
    page.reload()
    page.get_by_role("button", name="dave").wait_for()


def test_a_setting_is_saved_and_an_impossible_one_refused_beside_its_field(
    peopled_hub: TestHub, open_page: Open
) -> None:
    page = open_page(peopled_hub.url + "/dashboard/settings", user="admin")
    section = page.locator("#activityLog")
    section.get_by_label("Days to keep calls").fill("12")
    section.get_by_role("button", name="Save").click()
    page.get_by_text("Activity: saved.").wait_for()
    page.reload()
    assert section.get_by_label("Days to keep calls").input_value() == "12"
    section.get_by_label("Days to keep calls").fill("-3")
    with page.expect_response(re.compile("settings/activityLog")) as refused:
        section.get_by_role("button", name="Save").click()
    assert refused.value.status == 422
    section.get_by_text("Must lie between").wait_for()


def test_an_entry_is_found_and_installed_by_the_command_that_is_shown(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/registry", user="admin")
    page.get_by_label("Search the registry").fill("time zones")
    page.wait_for_url(re.compile("q=time"))
    page.get_by_role("link", name="Time", exact=True).first.click()
    page.get_by_label("--local-timezone").fill("Europe/Berlin")
    command = page.locator("#plan pre")
    command.filter(has_text="Europe/Berlin").wait_for()
    page.get_by_label("Name on this hub").fill("clock")
    page.get_by_role("button", name="Install").click()
    page.wait_for_url("**/dashboard/server/clock")
    page.goto(peopled_hub.url + "/dashboard/registry?installed=1")
    page.get_by_text("Installed", exact=True).last.wait_for()


def test_a_wish_reaches_the_admins(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/registry", user="bob")
    page.get_by_role("button", name="Wish for one").first.click()
    page.get_by_label("What", exact=True).fill("a weather server")
    page.get_by_role("button", name="Ask the admins").click()
    page.get_by_text("The admins were asked.").wait_for()
    admin = open_page(peopled_hub.url + "/dashboard/registry", user="admin")
    admin.get_by_role("button", name="Wish for one").click()
    admin.get_by_text("a weather server").wait_for()


def test_every_list_of_the_admin_opens_and_searches(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/admin/", user="admin")
    lists = set(
        page.locator("#nav-sidebar-apps a, aside a, main a").evaluate_all("all => all.map(one => one.pathname)")
    )
    found = sorted(path for path in lists if re.fullmatch(r"/admin/\w+/\w+/", path))
    assert len(found) > 12
    for path in found:
        answer = page.goto(f"{peopled_hub.url}{path}?q=files")
        assert answer is not None and answer.status == 200, path
