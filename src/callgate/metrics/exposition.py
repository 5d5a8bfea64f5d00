"""The figures in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from callgate.metrics.families import FAMILIES, Family
from callgate.metrics.tally import Series, Snapshot

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render(snapshot: Snapshot) -> bytes:
    """The body of an answer to a scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(snapshot))
    return generate_latest(registry)


class _Figures(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Each family that has something to tell."""
        for name, family in FAMILIES.items():
            series = self._snapshot.get(name)
            if series:
                yield _metric(family, series)


def _metric(family: Family, series: Iterable[Series]) -> Metric:
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
        for line in series:
            bounds = [*map(str, family.bounds), "+Inf"]
            counts = accumulate(line.buckets)
            histogram.add_metric(
                line.labels, list(zip(bounds, counts, strict=True)), sum_value=line.value
            )
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.help, labels=family.labels)
    for line in series:
        metric.add_metric(line.labels, line.value)
    return metric
