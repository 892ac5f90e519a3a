"""Every metric, in the order in which they are shown, and the measuring of a replication by all of them."""

from __future__ import annotations

from sim.metrics import backlog, desk, market, misdirected, peaks, policy, public, withdrawals
from sim.metrics.metric import Metric
from sim.metrics.observation.replication import Observation

METRICS: tuple[Metric, ...] = (
    *desk.METRICS,
    *backlog.METRICS,
    *policy.POLICY_METRICS,
    *market.METRICS,
    *withdrawals.METRICS,
    *misdirected.METRICS,
    *public.METRICS,
    *peaks.METRICS,
)
"""Every metric; a new subject's metrics are added here."""


def measure(observed: Observation) -> dict[str, float | None]:
    """Return every metric of one replication: ``name`` for the whole, ``name.entity`` for its parts."""
    out: dict[str, float | None] = {}
    for metric in METRICS:
        for entity, value in metric.of(observed).items():
            out[f"{metric.name}.{entity}" if entity else metric.name] = value
    return out


def metric_of(name: str) -> Metric:
    """Return the metric that a name such as ``backlog_peak.compliance`` belongs to; KeyError when there is none."""
    head = name.split(".", 1)[0]
    for metric in METRICS:
        if metric.name == head:
            return metric
    raise KeyError(name)
