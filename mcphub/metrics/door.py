"""GET /metrics: the samples of all processes in Prometheus's text format.

Open to whom `METRICS` says: nobody (off), holders of METRICS_TOKEN or of an admin's credential (token), anyone (open).
Above: `urls`. Below: `sampling`, `sharing`.
"""

from __future__ import annotations

import hmac
import itertools
import logging
from collections.abc import Iterable, Iterator

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from accounts.api.authentication import actor_for
from mcphub import plane
from mcphub.api.envelope import refusal
from mcphub.bridge import NoHub, on_loop
from mcphub.errors import NotAuthenticated
from mcphub.metrics.families import FAMILIES, LIMITS, Family, Sample
from mcphub.metrics.sharing import gathered

logger = logging.getLogger(__name__)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics of the whole hub, as far as its processes answered lately."""
    if settings.METRICS == "off":
        return refusal(404, "Metrics are switched off (METRICS).", "not_found")
    if settings.METRICS == "token" and not _may_read(request):
        answer = refusal(401, "Metrics need METRICS_TOKEN or an admin's credential.", "not_authenticated")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    samples, jobs = _samples()
    return HttpResponse(rendered(samples, jobs), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def _may_read(request: HttpRequest) -> bool:
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    expected = settings.METRICS_TOKEN
    if expected and scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), expected.encode()):
        return True
    try:
        actor = actor_for(request)
    except NotAuthenticated:
        return False
    return actor is not None and actor.is_admin


def _samples() -> tuple[list[Sample], int | None]:
    """This process's sample as it is now, and the others' as they left them."""
    own: list[Sample] = []
    others: list[Sample] = []
    jobs: int | None = None
    observation = plane.observation()
    if observation is not None:
        try:
            own = [on_loop(observation.sample(), 2.0)]
        except NoHub:
            logger.warning("The hub's loop did not answer in time; its metrics are left out.")
    if settings.REDIS_URL:
        try:
            others, jobs = gathered(settings.REDIS_URL)
        except redis.RedisError as failure:
            logger.warning("The metrics of other processes are left out: %s", failure)
    mine = {sample.process for sample in own}
    return own + [sample for sample in others if sample.process not in mine], jobs


def rendered(samples: Iterable[Sample], jobs: int | None = None) -> bytes:
    """Samples in Prometheus's text format. `jobs`: how many wait in the queue."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(list(samples), jobs))
    text: bytes = generate_latest(registry)
    return text


class _Collected(Collector):
    """What prometheus_client asks for metrics."""

    def __init__(self, samples: list[Sample], jobs: int | None) -> None:
        self._samples = samples
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        for family in FAMILIES.values():
            yield self._histogram(family) if family.kind == "histogram" else self._plain(family)
        if self._jobs is not None:
            yield GaugeMetricFamily("mcphub_jobs_waiting", "Celery tasks that wait in the queue.", value=self._jobs)

    def _plain(self, family: Family) -> Metric:
        kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        metric = kind(family.name, family.help, labels=(*family.labels, "process"))
        for sample in self._samples:
            for labels, value in sample.values.get(family.name, ()):
                metric.add_metric([*labels, sample.process], value)
        return metric

    def _histogram(self, family: Family) -> Metric:
        metric = HistogramMetricFamily(family.name, family.help, labels=(*family.labels, "process"))
        for sample in self._samples:
            for found in sample.durations.get(family.name, ()):
                buckets = list(zip(LIMITS, map(float, itertools.accumulate(found.counts)), strict=True))
                metric.add_metric([*found.labels, sample.process], buckets, found.sum)
        return metric
