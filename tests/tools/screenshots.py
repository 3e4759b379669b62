"""`make screenshots`: a picture of every page, wide and narrow, light and dark, of an empty, a demo and a crowded hub.

The pictures lie in build/screenshots; the best of them are copied to docs/images for the README. Hubs run in folders of
their own and end with the program.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.tools.hub import PASSWORD, hub_environment
from tests.tools.processes import REPOSITORY, free_port, running

FOLDER = REPOSITORY / "build" / "screenshots"
IMAGES = REPOSITORY / "docs" / "images"
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SIZES = {"wide": (1400, 900), "narrow": (390, 844)}
PAGES = {
    "overview": "dashboard",
    "servers": "dashboard/servers",
    "new-server": "dashboard/servers/new",
    "groups": "dashboard/groups",
    "registry": "dashboard/registry",
    "entry": "dashboard/entry/github",
    "activity": "dashboard/activity?range=7d",
    "activity-by-server": "dashboard/activity?range=30d&by=server",
    "logs": "dashboard/logs",
    "audit": "dashboard/audit",
    "keys": "dashboard/keys",
    "users": "dashboard/users",
    "settings": "dashboard/settings",
    "admin": "admin/",
    "admin-entries": "admin/registry/entry/",
    "admin-entry": "admin/registry/entry/1/change/",
    "admin-sources": "admin/registry/source/",
    "admin-servers": "admin/servers/server/",
}
#: Pages of things that an empty hub does not have.
OF_DEMO = {
    "server": "dashboard/server/github",
    "server-broken": "dashboard/server/warehouse-db",
    "try": "dashboard/server/github/try",
    "server-settings": "dashboard/server/filesystem/settings",
    "new-group": "dashboard/groups/new",
}
#: Which hubs there are: arguments of `manage.py demo`, None for none.
HUBS: dict[str, list[str] | None] = {"none": None, "demo": [], "many": ["--rows", "500", "--calls", "100000"]}
#: What the README shows: hub, page, size and colours, and the name there.
BEST = {
    "demo-overview-wide-light": "overview",
    "demo-overview-wide-dark": "overview-dark",
    "demo-servers-wide-light": "servers",
    "demo-server-wide-light": "server",
    "demo-activity-by-server-wide-light": "activity",
    "demo-registry-wide-light": "registry",
    "demo-logs-wide-dark": "logs-dark",
    "demo-overview-narrow-dark": "overview-narrow",
}


@contextlib.contextmanager
def demo_hub(arguments: list[str] | None) -> Iterator[str]:
    """The address of a running hub with the demo, or without."""
    home = Path(tempfile.mkdtemp(prefix="mcphub-pictures-"))
    port = free_port()
    environment = hub_environment(home, port) | {"MCPHUB_SETTING_PATH": "", "API_RATE_LIMIT": "0"}
    manage = [sys.executable, str(REPOSITORY / "manage.py")]
    try:
        # The first start makes the database and the first admin; the demo fills it.
        with running([*manage, "runhub"], env=environment, cwd=home) as first:
            first.wait_for_output("MCPHub is ready", 60)
        if arguments is not None:
            subprocess.run([*manage, "demo", *arguments], env={**environment}, cwd=home, check=True)
        with running([*manage, "runhub"], env=environment, cwd=home) as process:
            process.wait_for_output("MCPHub is ready", 90)
            yield f"http://127.0.0.1:{port}"
    finally:
        shutil.rmtree(home, ignore_errors=True)


def photograph(browser: Browser, url: str, name: str, pages: dict[str, str]) -> list[str]:
    """Pictures of the pages in all sizes and colours; returns what is wider than its window."""
    sticking_out = []
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
            page = context.new_page()
            page.goto(f"{url}/login")
            page.screenshot(path=FOLDER / f"{name}-sign-in-{size}-{scheme}.png")
            sign_in(page)
            for key, path in pages.items():
                page.goto(f"{url}/{path}", wait_until="load")
                page.evaluate("document.fonts.ready")
                # Logs and plans are fetched once the page is there.
                page.wait_for_timeout(400)
                page.screenshot(path=FOLDER / f"{name}-{key}-{size}-{scheme}.png")
                if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    sticking_out.append(f"{name} {key} {size}")
            context.close()
    return sticking_out


def sign_in(page: Page) -> None:
    """As the first admin."""
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/dashboard**")


def main() -> None:
    """Take the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("hubs", nargs="*", choices=[[], *HUBS], help="which hubs (default: all)")
    asked = parser.parse_args().hubs or list(HUBS)
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        sys.exit("Chromium is not installed.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        for name in asked:
            with demo_hub(HUBS[name]) as url:
                pages = PAGES if name == "none" else {**PAGES, **OF_DEMO}
                for problem in photograph(browser, url, name, pages):
                    print(f"wider than its window: {problem}")
        browser.close()
    for source, target in BEST.items():
        if (FOLDER / f"{source}.png").exists():
            shutil.copy(FOLDER / f"{source}.png", IMAGES / f"{target}.png")
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER.relative_to(REPOSITORY)}")


if __name__ == "__main__":
    main()
