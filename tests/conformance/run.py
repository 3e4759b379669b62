"""Runs the official conformance suite, pinned, and counts.

As a program::

    python tests/conformance/run.py --url URL --requirements 2025-11-25 [--expect 30]
    python tests/conformance/run.py --client "python tests/conformance/client.py" --requirements 2026-07-28 [--expect 8]

and from tests: ``run_server_leg(url, requirements)`` and ``run_client_leg(command, requirements)``, both returning a
`Result`. The suite cannot send a header, so a server under test must let anonymous callers in on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import yaml

if __package__ in (None, ""):
    # Started as a program: the folder of this file is on the path, the repository is not.
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.tools.node_packages import command, ensure, node_environment
from tests.tools.processes import kill_group

SUITE = "@modelcontextprotocol/conformance"
REVISIONS = ("2025-11-25", "2026-07-28")

# Scenarios that are not required but worth a number: the client keeps unknown keywords of schemas.
EXTRA_CLIENT_SCENARIOS = ("json-schema-2020-12-preservation",)

# What the fixture reaches directly, and a hub in front of it has to reach too: scenarios and their checks.
SERVER_EXPECTED = {"2025-11-25": (30, 70), "2026-07-28": (37, 120)}
CLIENT_EXPECTED = {"2025-11-25": 5, "2026-07-28": 8}

LEG_TIMEOUT = 300.0
SCENARIO_TIMEOUT = 60.0

_SUMMARY = re.compile(r"^([✓✗]) (\S+): (\d+) passed, (\d+) failed", re.MULTILINE)

_VERDICT = re.compile(r"^✅ OVERALL: PASSED", re.MULTILINE)


@dataclass
class Scenario:
    """How one scenario went."""

    name: str
    passed: bool
    checks_passed: int
    checks_failed: int
    failures: list[str] = field(default_factory=list)


@dataclass
class Result:
    """How one leg went. Only required scenarios count in `passed`, `total`, `checks` and `failures`."""

    requirements: str
    scored: list[Scenario]
    unscored: list[Scenario] = field(default_factory=list)
    output: str = ""

    @property
    def passed(self) -> int:
        """Scored scenarios that passed."""
        return sum(scenario.passed for scenario in self.scored)

    @property
    def total(self) -> int:
        """Scored scenarios."""
        return len(self.scored)

    @property
    def checks(self) -> int:
        """Checks that passed in scored scenarios."""
        return sum(scenario.checks_passed for scenario in self.scored)

    @property
    def checks_total(self) -> int:
        """Checks of scored scenarios."""
        return self.checks + sum(scenario.checks_failed for scenario in self.scored)

    @property
    def failures(self) -> list[str]:
        """One line for every check that failed in a scored scenario."""
        return [line for scenario in self.scored if not scenario.passed for line in scenario.failures]

    def __str__(self) -> str:
        """The counts, and below them what failed."""
        every = [*self.scored, *self.unscored]
        passed, failed = sum(one.checks_passed for one in every), sum(one.checks_failed for one in every)
        head = (
            f"{self.requirements}: {self.passed}/{self.total} scenarios, {self.checks}/{self.checks_total} checks"
            f" (with the unscored ones {passed}/{passed + failed})"
        )
        return "\n".join([head, *(f"  {line}" for line in self.failures)])


def required(requirements: str, side: str) -> list[str]:
    """The scenarios a revision requires of "server" or "client", from the suite's own frozen lists."""
    path = ensure() / "node_modules" / SUITE / "requirements" / f"{requirements}.yaml"
    names: list[str] = yaml.safe_load(path.read_text())[side]
    return names


def _failed_checks(folder: Path, scenario: str) -> list[str]:
    """What the suite noted about one scenario's failures, from the newest results it left in `folder`."""
    marker = scenario.replace("/", "-")
    lines = []
    for path in sorted(folder.glob("**/checks.json")):
        if marker not in str(path.relative_to(folder)).replace("/", "-"):
            continue
        for check in json.loads(path.read_text()):
            if check["status"] == "FAILURE":
                lines.append(f"{scenario}: {check['id']}: {check.get('errorMessage') or check.get('description')}")
    return list(dict.fromkeys(lines))


def run_server_leg(url: str, requirements: str) -> Result:
    """Run every server scenario of a revision against a URL."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        done = _suite("server", "--url", url, "--requirements", requirements, "-o", folder, timeout=LEG_TIMEOUT)
        found: dict[str, Scenario] = {}
        for mark, name, passed, failed in _SUMMARY.findall(done):
            failures = _failed_checks(Path(folder), name) if mark == "✗" else []
            found[name] = Scenario(name, mark == "✓", int(passed), int(failed), failures)
    scored = [
        found.pop(name, Scenario(name, False, 0, 1, [f"{name}: did not run"]))
        for name in required(requirements, "server")
    ]
    return Result(requirements, scored, list(found.values()), done)


def run_client_leg(
    command_line: str | Sequence[str],
    requirements: str,
    *,
    env: Mapping[str, str] | None = None,
    scenarios: Sequence[str] | None = None,
    parallel: int = 2,
) -> Result:
    """Run the client scenarios without authorization (or those named) against a client command.

    The suite appends the address of its test server to the command and starts it through a shell.
    """
    line = command_line if isinstance(command_line, str) else shlex.join(command_line)
    if scenarios is None:
        names = [name for name in required(requirements, "client") if not name.startswith("auth/")]
        scenarios = [*names, *EXTRA_CLIENT_SCENARIOS]
    with ThreadPoolExecutor(parallel) as pool:
        outcomes = list(pool.map(lambda name: _client_scenario(line, name, requirements, env or {}), scenarios))
    return Result(requirements, [scenario for scenario, _ in outcomes], [], "\n".join(text for _, text in outcomes))


def _client_scenario(line: str, name: str, requirements: str, env: Mapping[str, str]) -> tuple[Scenario, str]:
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        output = _suite(
            *("client", "--command", line, "--scenario", name, "--spec-version", requirements, "-o", folder),
            *("--timeout", str(int(SCENARIO_TIMEOUT * 1000)), "--verbose"),
            timeout=SCENARIO_TIMEOUT + 30,
            env=env,
        )
        statuses = [
            check["status"] for path in Path(folder).glob("**/checks.json") for check in json.loads(path.read_text())
        ]
        failures = _failed_checks(Path(folder), name)
    succeeded, failed = statuses.count("SUCCESS"), statuses.count("FAILURE")
    # The suite's own verdict is stricter than its checks: a client that ended with an error may have done half.
    passed = bool(succeeded) and not failed and _VERDICT.search(output) is not None
    if not passed and not failures:
        failures = [f"{name}: the checks passed but the run did not: {output.strip()[-1500:]}"]
    return Scenario(name, passed, succeeded, failed, failures), output


def _suite(*arguments: str, timeout: float, env: Mapping[str, str] | None = None) -> str:
    """Run the suite and return what it printed; its exit code says less than its summary.

    A test server of the suite waits for the last connection to close: a client that keeps one would hang it for ever.
    """
    process = subprocess.Popen(
        [*command("conformance"), *arguments],
        env={**node_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        return process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        return f"{process.communicate()[0]}\nthe suite did not end within {timeout} s"
    finally:
        # Also after an interruption: neither the suite nor the client it started may stay behind.
        kill_group(process.pid)


def main() -> int:
    """Run one leg, print the counts, and fail when they are not as expected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    leg = parser.add_mutually_exclusive_group(required=True)
    leg.add_argument("--url", help="the server to test")
    leg.add_argument("--client", metavar="COMMAND", help="the client to test")
    parser.add_argument("--requirements", choices=REVISIONS, required=True)
    parser.add_argument("--expect", type=int, help="how many scenarios have to pass (default: all)")
    parser.add_argument("--verbose", action="store_true", help="print the suite's own output too")
    options = parser.parse_args()
    if options.url:
        result = run_server_leg(options.url, options.requirements)
    else:
        result = run_client_leg(options.client, options.requirements, env=dict(os.environ))
    if options.verbose:
        print(result.output)
    print(result)
    return 0 if result.passed >= (result.total if options.expect is None else options.expect) else 1


if __name__ == "__main__":
    sys.exit(main())
