"""Metrics: what is rendered, and who may read it."""

from __future__ import annotations

import time

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from activities.histogram import COLUMNS
from mcphub.metrics.door import rendered
from mcphub.metrics.families import FAMILIES, Histogram, Sample
from mcphub.metrics.meter import Meter
from tests.activities.conftest import call
from tests.tools.rest import Caller


def test_every_process_speaks_for_itself() -> None:
    samples = []
    for process, calls in (("web-1", 3), ("web-2", 4)):
        sample = Sample(process, time.time())
        sample.add("mcphub_calls", calls, 'a "quoted"\nname', "ok", "")
        counts = [0] * len(COLUMNS)
        counts[2], counts[-1] = 2, 1
        sample.durations["mcphub_call_duration_seconds"] = [Histogram(["s"], counts, 61.5)]
        samples.append(sample)
    found = {family.name: family for family in text_string_to_metric_families(rendered(samples, 5).decode())}
    assert {(each.labels["process"], each.value) for each in found["mcphub_calls"].samples} == {
        ("web-1", 3.0),
        ("web-2", 4.0),
    }
    buckets = {
        each.labels["le"]: each.value
        for each in found["mcphub_call_duration_seconds"].samples
        if each.name.endswith("_bucket") and each.labels["process"] == "web-1"
    }
    assert (buckets["0.001"], buckets["0.0015"], buckets["60.0" if "60.0" in buckets else "60"], buckets["+Inf"]) == (
        0,
        2,
        2,
        3,
    )
    assert found["mcphub_jobs_waiting"].samples[0].value == 5
    assert set(FAMILIES) <= set(found)


def test_a_batch_is_counted() -> None:
    meter = Meter()
    meter.took([call(server="a", route="g", duration_ms=3.0), call(server="a", route="g", status="error")])
    assert meter.calls == {("a", "ok", "g"): 1, ("a", "error", "g"): 1}
    assert (sum(meter.durations["a"]), meter.seconds["a"]) == (2, pytest.approx(0.008))


@pytest.mark.django_db
def test_metrics_are_read_by_those_who_may(admin: Caller, dana: Caller, settings: Settings) -> None:
    anyone = Caller({})
    assert [each.get("/metrics").status for each in (anyone, dana, admin)] == [401, 401, 200]
    settings.METRICS_TOKEN = "scrape-me"
    assert Caller({"Authorization": "Bearer scrape-me"}).get("/metrics").status == 200
    assert Caller({"Authorization": "Bearer scrape-m"}).get("/metrics").status == 401
    settings.METRICS = "open"
    assert anyone.get("/metrics").status == 200
    settings.METRICS = "off"
    assert admin.get("/metrics").status == 404
