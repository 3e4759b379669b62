"""What holds for every test: where services are required, a skipped test is a failed one."""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest

#: Set where nothing may be skipped: PostgreSQL, Redis, Chromium, Prometheus and the npm packages are there.
REQUIRED = os.environ.get("MCPHUB_REQUIRE_SERVICES") == "1"
#: Recordings are not part of the repository; whoever has them beside it runs them.
_ALLOWED = ("no recordings",)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, None]:
    outcome = yield
    report = outcome.get_result()
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if not reason.removeprefix("Skipped: ").startswith(_ALLOWED):
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be skipped: {reason}"
