"""A scenario may name every metric, and nothing else: the schema's names follow from where metrics are declared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

from sim.metrics.registry import METRICS
from sim.scenario.schema.metric_names import METRIC_PARTS, MetricName
from tests.tools.metric_names import FILE, text

ROOT = Path(__file__).resolve().parents[2]


def test_the_schema_s_names_are_those_of_the_metrics() -> None:
    written = (ROOT / FILE).read_text("utf-8")
    assert written == text(), f"{FILE} is behind the metrics; python -m tests.tools.metric_names writes it anew"


def test_what_is_written_is_every_name_in_order_and_every_part() -> None:
    assert get_args(MetricName) == tuple(metric.name for metric in METRICS)
    assert {name: kind for kind, names in METRIC_PARTS.items() for name in names} == {
        metric.name: metric.parts for metric in METRICS if metric.parts
    }


def test_a_new_metric_changes_the_file() -> None:
    planted = replace(METRICS[0], name="refunds_per_day", parts="queue")
    assert '"refunds_per_day"' in text([*METRICS, planted])
    assert '    "queue": (' in text([*METRICS, planted])
