"""Activity, the log and the audit in a real browser."""

from __future__ import annotations

import csv
import re
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest

from tests.dashboard.conftest import Open
from tests.tools.hub import PASSWORD, TestHub

pytestmark = pytest.mark.browser


def test_a_call_is_found_by_its_tool_and_seen_whole(peopled_hub: TestHub, open_page: Open) -> None:
    peopled_hub.call("files-echo", {"text": "found in activity"})
    page = open_page(peopled_hub.url + "/dashboard/activity", user="admin")
    page.get_by_role("switch", name="Live").click()
    page.get_by_label("Name of the tool, prompt or resource").fill("echo")
    page.wait_for_url(re.compile("tool=echo"))
    page.locator("#calls").get_by_role("link", name="echo").first.click()
    page.get_by_text("found in activity").first.wait_for()
    assert "tests" in page.locator("dl.facts").inner_text()


def test_a_failed_call_says_why(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/activity", user="admin")
    page.get_by_label("Result", exact=True).select_option("error")
    page.wait_for_url(re.compile("status=error"))
    page.locator("#calls").get_by_role("link", name="fail").first.click()
    page.locator(".note.bad").wait_for()


def test_filters_are_an_address_that_can_be_shared(peopled_hub: TestHub, open_page: Open) -> None:
    address = peopled_hub.url + "/dashboard/activity?tool=echo&range=7d&by=server"
    page = open_page(address, user="admin")
    assert page.get_by_label("Name of the tool, prompt or resource").input_value() == "echo"
    assert page.get_by_role("link", name="7 d").get_attribute("aria-current") == "true"
    page.get_by_role("link", name="files", exact=True).click()
    page.wait_for_url(re.compile("server=files"))


def test_calls_are_exported_as_they_are_filtered(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/activity?tool=echo", user="admin")
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    with started.value.path().open() as file:
        rows = list(csv.DictReader(file))
    assert rows and {row["tool"] for row in rows} == {"echo"}


def test_a_line_of_any_server_arrives_and_is_filtered(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/logs", user="admin")
    page.get_by_text("live", exact=True).wait_for()
    peopled_hub.api("POST", "/servers/shared/reload")
    lines = page.get_by_role("log")
    lines.get_by_text("shared", exact=True).last.wait_for()
    page.get_by_label("Server", exact=True).select_option("broken")
    page.wait_for_url(re.compile("server=broken"))
    page.wait_for_function(
        "() => { const all = [...document.querySelectorAll('[data-log-lines] .s')];"
        " return all.length && all.every((one) => one.textContent === 'broken'); }"
    )
    lines.get_by_text("no database").first.wait_for()


def test_a_paused_log_stands_still_and_goes_on(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/logs?server=shared", user="admin")
    page.get_by_text("live", exact=True).wait_for()
    page.get_by_role("button", name="Pause").click()
    before = page.get_by_role("log").locator("div").count()
    peopled_hub.api("POST", "/servers/shared/reload")
    page.get_by_text(re.compile("paused, [1-9]")).wait_for()
    assert page.get_by_role("log").locator("div").count() == before
    page.get_by_role("button", name="Go on").click()
    page.wait_for_function("before => document.querySelectorAll('[data-log-lines] > div').length > before", arg=before)


def test_the_log_is_cleared_after_a_question(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/logs", user="admin")
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Clear it").click()
    page.get_by_text("The log was cleared.").wait_for()


def test_a_change_is_found_in_the_audit_with_what_was_before(peopled_hub: TestHub, open_page: Open) -> None:
    peopled_hub.api("PUT", "/servers/files", {"config": {"description": "Described anew"}})
    page = open_page(peopled_hub.url + "/dashboard/audit?subject=server&name=files", user="admin")
    page.locator("summary", has_text="servers.change_server").first.click()
    page.get_by_text("Described anew").first.wait_for()


def test_a_plain_user_sees_own_calls_and_no_log_of_others(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/activity?range=all", user="bob")
    page.get_by_text("No calls yet").wait_for()
    for hidden in ("Audit", "Users", "Settings", "Admin"):
        assert page.get_by_role("navigation", name="Pages").get_by_role("link", name=hidden).count() == 0
    page.goto(peopled_hub.url + "/dashboard/logs")
    page.get_by_text("There is no log for you to read").wait_for()


@pytest.mark.parametrize("path", ["audit", "users", "settings", "users/new", "logs/stream", "audit/export"])
def test_what_is_for_admins_is_refused_to_others(peopled_hub: TestHub, path: str) -> None:
    opener = signed_in(peopled_hub, "bob")
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(f"{peopled_hub.url}/dashboard/{path}")
    assert refused.value.code == 403


def signed_in(hub: TestHub, user: str) -> Any:
    """A program that signed in as a browser does."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    form = opener.open(f"{hub.url}/login").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    assert token
    sent = urllib.parse.urlencode({"csrfmiddlewaretoken": token[1], "username": user, "password": PASSWORD})
    opener.open(urllib.request.Request(f"{hub.url}/login", sent.encode(), {"Referer": hub.url + "/login"}))
    return opener
