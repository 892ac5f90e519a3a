"""The Bybit replay against its published figures: what was fitted, what is predicted, and how far off.

``python -m sim.studies.bybit`` prints the table; with a FILE behind it, it is written there. Fitted are numbers of
scenarios/bybit_replay.toml that were chosen for the published figure beside them; what is predicted is not used for
any of them. Hours count from the beginning of the ten hours. The theft itself (1.46 bn) is not in the model,
deposits go on as on an ordinary day, and reviews keep the baseline's pace of 60 an hour: no one is called in for them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.api import run
from sim.core.clock import DAY_MS, MINUTE_MS
from sim.core.system import displayed
from sim.feedback import columns
from sim.metrics.observation.replication import Observation
from sim.scenario import load

REPLICATIONS = 10
TEN_HOURS, DAY = 600, 1440
DIRECT = "complaints_direct_per_day"
BN = 1e11
"""A billion US dollars in cents."""


@dataclass(frozen=True)
class PublishedFigure:
    """A figure: how the scenario came by it, what it gives (one value by replication), and what was published."""

    what: str
    kind: str
    found: list[float]
    published: float | None
    digits: int

    def cells(self) -> list[str]:
        """Return the row of the table."""
        mean, form = float(np.mean(self.found)), f",.{self.digits}f"
        off = "" if self.published is None else f"{round(100 * (mean / self.published - 1)):+d} %"
        return [self.what, self.kind, f"{mean:{form}}", f"{self.published:{form}}" if self.published else "–", off]


def begins(observed: Observation) -> int:
    """Return the minute in which the ten hours begin."""
    scenario = observed.model.scenario
    return (scenario.warmup_days * DAY_MS + scenario.shocks["theft"].at) // MINUTE_MS


def left(observed: Observation) -> np.ndarray:
    """Return by the minute the requests that are not paid yet: in review and in the payout lines."""
    rails = observed.outcome.feedback_rails.sum(axis=0)
    return rails[columns.REVIEW_IN] - rails[columns.REVIEWED] + rails[columns.PAYOUT_IN] - rails[columns.PAID]


def assets_bn(observed: Observation, minute: int) -> float:
    """Return the money in all wallets, hot, cold and on its way between them."""
    return float(
        observed.outcome.feedback_rails[:, [columns.HOT_C, columns.COLD_C, columns.TRANSIT_C], minute].sum() / BN
    )


def paid_in(observed: Observation, minute: int, minutes: int) -> int:
    """Return the withdrawals paid within so many minutes."""
    paid = observed.outcome.feedback_rails[:, columns.PAID].sum(axis=0)
    return int(paid[minute + minutes] - paid[minute])


def out_bn(observed: Observation, minute: int) -> float:
    """Return the money paid within a day."""
    paid = observed.outcome.feedback_rails[:, columns.PAID_C].sum(axis=0)
    return float((paid[minute + DAY] - paid[minute]) / BN)


def paid_after_h(observed: Observation, *, reviewed: bool) -> float:
    """Return the hours until the last who asked in the ten hours, taken by the tick after, is paid or leaves review."""
    rails, end = observed.outcome.feedback_rails, begins(observed) + TEN_HOURS
    into, out = (columns.REVIEW_IN, columns.REVIEWED) if reviewed else (columns.PAYOUT_IN, columns.PAID)
    last = max(int(np.searchsorted(rail[out], rail[into, end])) for rail in rails)
    return (last - begins(observed)) / 60


def table(replications: int = REPLICATIONS, sets: Sequence[str] = ()) -> list[PublishedFigure]:
    """Return the figures of the replay, fitted first."""
    done = run(load("bybit_replay", sets=list(sets)), replications=replications, seed=1)
    silent = run(load("bybit_replay", sets=[*sets, "announcements.ceo.effect=0"]), replications=replications, seed=1)
    all_of_it = [done.observed(i) for i in range(replications)]
    at = begins(all_of_it[0])
    asked = [float(f.demand.inputs.withdrawals[at : at + TEN_HOURS].sum()) for f in all_of_it]
    remain = [float(left(f)[at + TEN_HOURS]) for f in all_of_it]
    paid = [float(paid_in(f, at, TEN_HOURS)) for f in all_of_it]
    lines, reviews = ([paid_after_h(f, reviewed=one) for f in all_of_it] for one in (False, True))
    peak, complaints = (_values(done.samples(name)) for name in ("withdrawals_peak_per_s", DIRECT))
    return [
        PublishedFigure("requests in ten hours (shocks.theft.withdrawals)", "fitted", asked, 350_000, 0),
        PublishedFigure("requests done in ten hours (payouts_per_minute)", "fitted", paid, 347_900, 0),
        PublishedFigure(
            "bn US dollars out in a day (amount_mean_usd)", "fitted", [out_bn(f, at) for f in all_of_it], 5.5, 1
        ),
        PublishedFigure("requests left after ten hours", "predicted", remain, 2_100, 0),
        PublishedFigure(
            "bn US dollars left after a day, of 16.9", "predicted", [assets_bn(f, at + DAY) for f in all_of_it], 11.2, 1
        ),
        PublishedFigure("hours until the payout lines are clear", "predicted", lines, 12, 1),
        PublishedFigure("hours until the last review is done", "predicted", reviews, 12, 1),
        PublishedFigure("requests/s in the busiest minute", "predicted", peak, None, 1),
        PublishedFigure("direct complaints a day over the week", "predicted", complaints, None, 0),
        PublishedFigure("the same without the early word", "predicted", _values(silent.samples(DIRECT)), None, 0),
    ]


def _values(samples: dict[int, float | None]) -> list[float]:
    return [value for value in samples.values() if value is not None]


def text(rows: Sequence[PublishedFigure]) -> str:
    """Return the table as Markdown."""
    head = ["figure", "how", "model", "published", "off by"]
    lines = [head, ["---"] * len(head), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> int:
    """Write the table into the file named, or print it, and return the exit code."""
    made = text(table())
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(made, encoding="utf-8")
    else:
        sys.stdout.write(made)
    return 0


if __name__ == "__main__":
    sys.exit(displayed(main))
