"""A hub with servers in several states, a browser, and pages that must not complain."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from accounts.models import User
from tests.tools import node_packages
from tests.tools.hub import PASSWORD, TestHub, hub, hub_environment, settings_for, stdio
from tests.tools.processes import REPOSITORY, free_port, running, until

playwright = pytest.importorskip("playwright.sync_api")

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
#: The status of a form that was refused: the page itself tells why.
_TOLD = 422
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 390, "height": 844}


class Watch:
    """What a page complained about: errors in its console, requests that failed or went to another host."""

    def __init__(self, page: playwright.Page, host: str) -> None:
        self.complaints: list[str] = []
        page.on("console", lambda said: self._is_trouble(said.type, said.text) and self.complaints.append(said.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on(
            "response",
            lambda answer: (
                answer.status >= 400
                and answer.status != _TOLD
                and self.complaints.append(f"{answer.status} {answer.url}")
            ),
        )
        page.on("request", lambda request: self._is_foreign(request.url, host) and self.complaints.append(request.url))

    @staticmethod
    def _is_trouble(kind: str, text: str) -> bool:
        return kind in ("error", "warning") and f"status of {_TOLD} " not in text

    @staticmethod
    def _is_foreign(url: str, host: str) -> bool:
        return urlsplit(url).scheme in ("http", "https", "ws", "wss") and urlsplit(url).netloc != host


Open = Callable[..., "playwright.Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    """Chromium, for one module: its event loop must not meet those of other tests."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("MCPHUB_REQUIRE_SERVICES"):
            pytest.fail("Chromium is required here and not installed")
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=path, args=list(_FLAGS))
        yield found
        found.close()


@pytest.fixture
def open_page(browser: playwright.Browser) -> Iterator[Open]:
    """Opens pages in a context of their own, signed in where a user is named; afterwards none may have complained."""
    contexts, watches = [], []

    def opened(url: str, *, user: str = "", password: str = PASSWORD, scheme: str = "light", **more: object) -> object:
        context = browser.new_context(
            viewport=more.get("viewport", WIDE), color_scheme=scheme, storage_state=more.get("state")
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        watches.append(Watch(page, urlsplit(url).netloc))
        if user:
            parts = urlsplit(url)
            page.goto(f"{parts.scheme}://{parts.netloc}/login")
            sign_in(page, user, password)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [complaint for watch in watches for complaint in watch.complaints] == []


def sign_in(page: playwright.Page, user: str, password: str = PASSWORD) -> None:
    """Fill in the sign-in page, and wait for where it leads."""
    page.get_by_label("User name").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/dashboard**")


@pytest.fixture(scope="module")
def peopled_hub() -> Iterator[TestHub]:
    """A hub with a server that is up, one that cannot start, one that is off, a group, and a user without rights."""
    broken = {"type": "stdio", "command": sys.executable, "args": ["-c", "raise SystemExit('no database')"]}
    servers = {
        "files": {**stdio("--tools", "12"), "description": "Files of the shared drive"},
        "broken": {**broken, "enabled": False},
        "quiet": {**stdio("--tools", "2"), "enabled": False},
        "shared": {**stdio("--tools", "2"), "visibility": "public"},
    }
    with hub(servers, groups=[{"name": "dev", "servers": ["files"]}]) as found:
        assert found.api("POST", "/users", {"username": "bob", "password": PASSWORD})[0] == 201
        found.api("POST", "/servers/broken/toggle", {"enabled": True})
        found.call("files-echo", {"text": "hello"})
        found.call("files-fail")
        yield found


@pytest.fixture
def empty_hub(tmp_path: Path) -> Iterator[TestHub]:
    """A hub as it is when it was just started for the first time; the key is in it, as tests call it as clients do."""
    key = "mcphub_" + "ab" * 32
    port = free_port()
    environment = hub_environment(tmp_path, port)
    (tmp_path / "mcp_settings.json").write_text(json.dumps(settings_for({}, key)))
    with running([sys.executable, REPOSITORY / "manage.py", "runhub"], env=environment, cwd=tmp_path) as process:
        found = TestHub(f"http://127.0.0.1:{port}", process, key, tmp_path / "data")
        process.wait_for_output("MCPHub is ready", 60)
        until(found.is_healthy, 60, "a healthy hub")
        yield found


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which looks for what keeps people out."""
    try:
        folder = node_packages.ensure()
    except node_packages.NodeUnavailableError as missing:
        pytest.skip(str(missing))
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture
def admin_user(db: None) -> User:
    return User.objects.create(username="admin", is_admin=True)
