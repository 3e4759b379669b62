"""The Grafana dashboard asks only for metrics that the hub has."""

from __future__ import annotations

import json
import re

from mcphub.metrics.families import FAMILIES
from tests.tools.processes import REPOSITORY


def test_every_metric_in_the_dashboard_exists() -> None:
    text = (REPOSITORY / "docs" / "grafana" / "mcphub.json").read_text()
    panels = json.loads(text)["panels"]
    asked = {
        name
        for panel in panels
        for each in panel.get("targets", ())
        for name in re.findall(r"mcphub_\w+", each["expr"])
    }
    known = {"mcphub_jobs_waiting"}
    for family in FAMILIES.values():
        suffix = {"counter": ["_total"], "gauge": [""], "histogram": ["_bucket", "_sum", "_count"]}[family.kind]
        known |= {family.name + each for each in suffix}
    assert asked <= known
    assert len(asked) > 15
