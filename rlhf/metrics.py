"""What Prometheus can scrape: the ledger's figures on the server's own /metrics, beside the server's.

The server answers /metrics itself and shows what is registered with prometheus_client, on its event loop. The
middleware here comes first: it reads the ledger in a thread, so that the collector only hands out figures.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Receive, Scope, Send

from rlhf.nodes.concurrency import in_thread
from rlhf.nodes.services import Services, operator
from rlhf.state.errors import RlhfError
from rlhf.state.ledger.totals import Totals
from rlhf.state.measures import Batch


@dataclass(frozen=True)
class Figures:
    """The ledger at one moment."""

    totals: Totals
    newest: list[Batch]
    """The newest batch of feedback of every task type."""


class LedgerCollector(Collector):
    """Hands out the figures read last; before the first reading there are none."""

    def __init__(self) -> None:
        self.figures: Figures | None = None

    def collect(self) -> Iterator[Metric]:
        """The figures as Prometheus metrics."""
        up = GaugeMetricFamily("rlhf_ledger_up", "1 if the ledger could be read for this scrape.")
        up.add_metric([], float(self.figures is not None))
        yield up
        if self.figures is not None:
            yield from _spent(self.figures.totals)
            yield from _quality(self.figures.newest)


class RefreshOnScrape:
    """Middleware that reads the ledger before the server answers /metrics."""

    def __init__(self, app: ASGIApp, services: Services = operator) -> None:
        self._app = app
        self._services = services
        self._collector = LedgerCollector()
        REGISTRY.register(self._collector)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/metrics":
            self._collector.figures = await in_thread(self._read)
        await self._app(scope, receive, send)

    def _read(self) -> Figures | None:
        """None if the ledger cannot be read: the server's own metrics are shown all the same."""
        try:
            ledger = self._services.ledger
            return Figures(ledger.totals(), ledger.history.newest())
        except RlhfError:
            return None


def _spent(totals: Totals) -> Iterator[Metric]:
    runs = GaugeMetricFamily("rlhf_runs", "Runs in the ledger.", labels=["status"])
    for status in ("running", "waiting", "finished", "failed"):
        runs.add_metric([status], totals.runs.get(status, 0))
    yield runs
    verdicts = GaugeMetricFamily(
        "rlhf_verdicts", "Verdicts in the ledger; kind says why one failed.", labels=["status", "kind"]
    )
    verdicts.add_metric(["scored", ""], totals.scored)
    for kind, count in sorted(totals.failed.items()):
        verdicts.add_metric(["failed", kind], count)
    yield verdicts
    calls = CounterMetricFamily("rlhf_calls", "Model calls made by runs.", labels=["stage"])
    tokens = CounterMetricFamily(
        "rlhf_tokens", "Tokens spent by runs, in and out.", labels=["stage", "direction"]
    )
    for stage, usage in (("generation", totals.generation), ("judging", totals.judging)):
        calls.add_metric([stage], usage.calls)
        tokens.add_metric([stage, "in"], usage.input_tokens)
        tokens.add_metric([stage, "out"], usage.output_tokens)
    yield from (calls, tokens)
    cached = CounterMetricFamily("rlhf_cached_verdicts", "Verdicts that runs found in the ledger.")
    cached.add_metric([], totals.judging.cached)
    yield cached


_GAUGES = {
    "average_score": "Average score of the newest batch of feedback, 0-100.",
    "average_rating": "Average rating of the newest batch of feedback, 1-5.",
    "accepted_share": "Share accepted in the newest batch of feedback, 0-1.",
    "coverage": "Coverage of the newest batch of feedback, 0-1.",
}


def _quality(newest: list[Batch]) -> Iterator[Metric]:
    for name, told in _GAUGES.items():
        gauge = GaugeMetricFamily(f"rlhf_{name}", told, labels=["task_type"])
        for batch in newest:
            if (value := batch.quality[name]) is not None:
                gauge.add_metric([batch.quality.task_type], value)
        yield gauge
    psi = GaugeMetricFamily(
        "rlhf_drift_psi",
        "Population stability index of the newest batch's scores against the batches before.",
        labels=["task_type"],
    )
    p_value = GaugeMetricFamily(
        "rlhf_drift_p_value", "Two-sample test of the newest batch's scores, p-value.", labels=["task_type"]
    )
    alerts = GaugeMetricFamily(
        "rlhf_alerts", "Thresholds the newest batch of feedback crosses.", labels=["task_type"]
    )
    for batch in newest:
        quality = batch.quality
        if quality.drift is not None:
            psi.add_metric([quality.task_type], quality.drift.psi)
            p_value.add_metric([quality.task_type], quality.drift.p_value)
        alerts.add_metric([quality.task_type], len(quality.alerts))
    yield from (psi, p_value, alerts)
