"""The names of the metrics as the scenario's schema knows them.

A metric is declared where it is worked out, on a floor above the schema, whose ``[expect]`` and ``primary`` name it. So
``sim/scenario/schema/metric_names.py`` is what ``python -m tests.tools.metric_names`` writes; a test compares the two.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path

from sim.metrics.metric import Metric
from sim.metrics.registry import METRICS

FILE = "sim/scenario/schema/metric_names.py"
HEAD = '''"""The names of the metrics, and what each is counted by, from ``python -m tests.tools.metric_names``."""

from __future__ import annotations

from typing import Literal

'''


def text(metrics: Iterable[Metric] = METRICS) -> str:
    """Return the file's text for some metrics."""
    metrics = list(metrics)
    kinds = dict.fromkeys(metric.parts for metric in metrics if metric.parts)
    out = HEAD + f"MetricName = Literal[\n{_packed(metric.name for metric in metrics)}]  # fmt: skip\n\n"
    out += "METRIC_PARTS: dict[str, tuple[MetricName, ...]] = {\n"
    for kind in kinds:
        names = _packed((metric.name for metric in metrics if metric.parts == kind), "        ")
        out += f'    "{kind}": (\n{names}    ),\n'
    return out + '}  # fmt: skip\n"""By what a metric is counted apart, as in ``backlog_peak.compliance``."""\n'


def _packed(names: Iterable[str], indent: str = "    ") -> str:
    words = " ".join(f'"{name}",' for name in names)
    return textwrap.fill(words, 120, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False) + "\n"


if __name__ == "__main__":
    (Path(__file__).resolve().parents[2] / FILE).write_text(text(), encoding="utf-8")
