"""The load test's pictures say what the verdict says, also where almost nothing happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loadtests.verdict import plots
from tests.support.verdict_rows import ended, first, judged, rows_of, unsent


def shown(rows: pl.DataFrame, **objective: float) -> dict[str, Any]:
    objectives = {"login": objective}
    outcomes = dict(rows.group_by("outcome").len().iter_rows())
    counts = {name: outcomes.get(name, 0) for name in ("shed", "not_sent")}
    verdict = judged(rows, objectives=objectives)
    more = {"counts": {"planned": len(rows), **counts}, "timeout_s": 1.0, "scenario": "test", "speedup": 1.0}
    return {**verdict, **more, "objectives": objectives}


def titles(rows: pl.DataFrame, **objective: float) -> list[str]:
    """Return the titles of both figures and of the latency panel."""
    verdict = shown(rows, **objective)
    sent, latency = plots.draw_sent(rows, verdict), plots.draw_latency(rows, verdict)
    found = [sent.get_suptitle(), latency.get_suptitle(), latency.axes[0].get_title(loc="left")]
    assert [axis.get_xlabel()[-3:] for axis in (sent.axes[-1], latency.axes[-1])] == [", s", ", s"]
    assert [axis.get_ylabel() for axis in (sent.axes[0], latency.axes[0])] == ["requests/s", "latency, ms"]
    plots.plt.close("all")
    return found


def test_titles_state_the_finding() -> None:
    assert titles(rows_of(), p99_ms=100.0) == [
        "The load followed the prediction:\n1,000 of 1,000 requests sent, 0.00% off per second, lateness p99 1.0 ms",
        "test, speed-up 1: every objective was kept",
        "login: p99 20 ms, objective 100 ms kept",
    ]
    assert titles(rows_of(), p99_ms=10.0)[1:] == [
        "test, speed-up 1: objectives missed\nlogin.p99_ms",
        "login: p99 20 ms, objective 10 ms missed",
    ]


@pytest.mark.parametrize(
    "rows",
    [
        rows_of(1),
        rows_of(1000, **unsent(1000, "not_sent")),
        rows_of(1000, **unsent(300, "shed")),
        rows_of(1000, **ended(1000, "unknown")),
        rows_of(1000, **ended(400, "rejected", answered=True)),
        rows_of(1000, done_us=first(500, pl.col("due_us") + 60_000_000, "done_us")),
    ],
)
def test_every_kind_of_run_can_be_drawn(rows: pl.DataFrame, tmp_path: Path) -> None:
    plots.write(tmp_path, requests=rows, verdict=shown(rows, p99_ms=100.0))
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["latency.png", "latency.svg", "sent.png", "sent.svg"]
    assert all(1_000 < path.stat().st_size < 500_000 for path in tmp_path.iterdir())
