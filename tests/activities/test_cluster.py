"""Log and metrics of a hub of many processes: whichever is asked knows what all of them do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.activities.test_running_hub import LEAKY, events
from tests.tools.cluster import Cluster, cluster
from tests.tools.hub import TestHub
from tests.tools.processes import free_port, running, until

pytestmark = [pytest.mark.postgres, pytest.mark.redis, pytest.mark.slow]


@pytest.fixture(scope="module")
def parts() -> Iterator[tuple[Cluster, list[TestHub]]]:
    server = {"command": sys.executable, "args": [str(LEAKY)]}
    with cluster({f"s{number}": server for number in range(4)}) as found:
        found.worker()
        found.worker()
        webs = [found.web(), found.web()]
        until(webs[0].is_healthy, 60, "all servers up")
        yield found, webs


def opened(web: TestHub, path: str, **headers: str) -> Any:
    asked = urllib.request.Request(web.url + path, headers={"Authorization": f"Bearer {web.key}", **headers})
    return urllib.request.urlopen(asked, timeout=60)


def test_one_stream_shows_the_lines_of_all_processes(parts: tuple[Cluster, list[TestHub]]) -> None:
    _, (first, second) = parts
    with opened(first, "/api/logs/stream") as stream:
        read = events(stream)
        next(read)
        for number, web in enumerate((first, second)):
            web.api("GET", f"/servers/none-{number}/")
            for server in range(4):
                web.call(f"s{server}-leak", {"said": f"by {number} to {server}"})
        wanted = {f"by {number} to {server}" for number in (0, 1) for server in range(4)}
        origins, cursor = set(), ""
        while wanted:
            cursor, event = next(read)
            if event["type"] == "log":
                origins.add(event["log"]["processId"])
                wanted = {each for each in wanted if each not in event["log"]["message"]}
    assert len(origins) >= 2  # both workers
    second.call("s1-leak", {"said": "afterwards"})
    with opened(second, "/api/logs/stream", **{"Last-Event-ID": cursor}) as stream:
        read = events(stream)
        while "afterwards" not in json.dumps(next(read)):
            pass


def test_a_web_process_that_starts_hears_what_was_said(parts: tuple[Cluster, list[TestHub]]) -> None:
    found, (first, _) = parts
    first.call("s0-leak", {"said": "before it started"})
    late = found.web()
    until(lambda: "before it started" in json.dumps(late.api("GET", "/logs")[1]), 15, "the lines of others")


def test_any_process_shows_the_metrics_of_all(parts: tuple[Cluster, list[TestHub]]) -> None:
    _, webs = parts
    for number in range(30):
        webs[number % 2].call(f"s{number % 4}-echo", {"n": number})

    def calls(web: TestHub) -> float:
        with opened(web, "/metrics") as answer:
            found = {f.name: f for f in text_string_to_metric_families(answer.read().decode())}
        held = {e.labels["server"] for e in found["mcphub_upstream_state"].samples if e.labels["state"] == "connected"}
        assert held == {"s0", "s1", "s2", "s3"}
        return sum(each.value for each in found["mcphub_calls"].samples)

    def stored() -> float:
        return float(webs[0].api("GET", "/activities/stats")[1]["data"]["totalCalls"])

    until(lambda: stored() >= 30 and calls(webs[0]) == calls(webs[1]) == stored(), 20, "numbers that agree")


def test_prometheus_scrapes_the_hub(parts: tuple[Cluster, list[TestHub]], tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("needs Prometheus (Debian's package)")
    _, webs = parts
    address, port = urllib.parse.urlsplit(webs[0].url).netloc, free_port()
    (tmp_path / "prometheus.yml").write_text(
        f"scrape_configs: [{{job_name: mcphub, scrape_interval: 1s, authorization: {{credentials: {webs[0].key}}}, "
        f"static_configs: [{{targets: ['{address}']}}]}}]"
    )
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with running([*command, f"--web.listen-address=127.0.0.1:{port}"]):
        query = urllib.parse.urlencode({"query": "sum(mcphub_calls_total)"})

        def scraped() -> float:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?{query}", timeout=5) as answer:
                    result = json.load(answer)["data"]["result"]
                    return float(result[0]["value"][1]) if result else 0.0
            except OSError:
                return 0.0

        total = float(webs[0].api("GET", "/activities/stats")[1]["data"]["totalCalls"])
        until(lambda: scraped() == total, 30, "Prometheus to agree with the activities")
    check = subprocess.run(
        ["promtool", "check", "metrics"], input=opened(webs[0], "/metrics").read(), capture_output=True
    )
    assert b"error" not in check.stderr.lower(), check.stderr
