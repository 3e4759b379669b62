"""Every page, in both themes and widths: nobody is kept out, nothing complains, nothing sticks out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dashboard.conftest import NARROW, Open
from tests.tools.hub import TestHub

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/dashboard",
    "servers": "/dashboard/servers",
    "servers none": "/dashboard/servers?q=nothing-is-called-so",
    "new server": "/dashboard/servers/new",
    "paste": "/dashboard/servers/new?from=json",
    "bundle": "/dashboard/servers/new?from=bundle",
    "tools": "/dashboard/server/files",
    "prompts": "/dashboard/server/files/prompts",
    "resources": "/dashboard/server/files/resources",
    "try": "/dashboard/server/files/try",
    "logs": "/dashboard/server/files/logs",
    "activity": "/dashboard/server/files/activity",
    "settings": "/dashboard/server/files/settings",
    "broken": "/dashboard/server/broken",
    "off": "/dashboard/server/quiet",
    "groups": "/dashboard/groups",
    "new group": "/dashboard/groups/new",
    "registry": "/dashboard/registry",
    "registry none": "/dashboard/registry?q=nothing-is-called-so",
    "entry": "/dashboard/entry/github",
    "all activity": "/dashboard/activity?by=server",
    "activity none": "/dashboard/activity?tool=nothing-is-called-so",
    "whole log": "/dashboard/logs",
    "audit": "/dashboard/audit",
    "keys": "/dashboard/keys",
    "users": "/dashboard/users",
    "system settings": "/dashboard/settings",
}
_SERIOUS = """async () => {
  const found = await axe.run(document, { resultTypes: ["violations"] });
  return found.violations.filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`);
}"""
_STICKING_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def keeps_people_out(page: Any, axe: str) -> list[str]:
    """What axe finds that is serious or critical."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(_SERIOUS)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_keeps_anyone_out(peopled_hub: TestHub, open_page: Open, axe: str, scheme: str) -> None:
    page = open_page(peopled_hub.url + "/dashboard", user="admin", scheme=scheme)
    found = {}
    for name, path in PAGES.items():
        page.goto(peopled_hub.url + path)
        page.wait_for_load_state("load")
        if serious := keeps_people_out(page, axe):
            found[name] = serious
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_dialog_keeps_anyone_out(peopled_hub: TestHub, open_page: Open, axe: str, scheme: str) -> None:
    page = open_page(peopled_hub.url + "/dashboard", user="admin", scheme=scheme)
    page.get_by_role("button", name="Connect a client").click()
    page.get_by_role("button", name="Make a key").click()
    page.get_by_text("shown only now").wait_for()
    assert keeps_people_out(page, axe) == []
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.get_by_role("option").first.wait_for()
    assert keeps_people_out(page, axe) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_keeps_nobody_out(peopled_hub: TestHub, open_page: Open, axe: str, scheme: str) -> None:
    assert keeps_people_out(open_page(peopled_hub.url + "/login", scheme=scheme), axe) == []


@pytest.mark.parametrize("width", [360, 390, 820, 1100, 1400])
def test_no_page_sticks_out(peopled_hub: TestHub, open_page: Open, width: int) -> None:
    page = open_page(peopled_hub.url + "/dashboard", user="admin", viewport={**NARROW, "width": width})
    sticking_out = {}
    for name, path in PAGES.items():
        page.goto(peopled_hub.url + path)
        if (pixels := page.evaluate(_STICKING_OUT)) > 0:
            sticking_out[name] = pixels
    assert sticking_out == {}


def test_pages_are_light_to_carry(peopled_hub: TestHub, open_page: Open) -> None:
    page = open_page(peopled_hub.url + "/dashboard/servers", user="admin")
    session = page.context.new_cdp_session(page)
    carried: list[int] = []
    session.on("Network.loadingFinished", lambda told: carried.append(told["encodedDataLength"]))
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.reload(wait_until="load")
    page.wait_for_timeout(100)
    assert 0 < sum(carried) < 150_000
