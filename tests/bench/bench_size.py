"""Cost against size: the baseline with 1 and 10 million registered users, over 1 day to 1 year.

    python -m tests.bench size

Agents, payouts and reviews are in proportion to the users, in whole numbers: where a tenth of a team is less than one
agent it keeps one, and the desk is less busy. There is no warm-up, so that a day is a day. Each size is a process of
its own; one that needs more than 10 minutes or 20 GB is left out, and said to be. The picture is written to
``results/gallery/size.png``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from sim.experiment.precompile import precompile
from sim.experiment.replication import ReplicationPlan, finish
from sim.model.model import build
from sim.scenario import Scenario, load
from tests.bench.timing import ROOT, compiled_first, process

BASE_USERS = 10_000_000
USERS = (1_000_000, BASE_USERS)
SPANS = {"1 day": 1, "1 week": 7, "4 weeks": 28, "13 weeks": 91, "1 year": 365}
STAGES = ("draw", "engine", "metrics")
LIMIT_S, LIMIT_GB = 600, 20
ENOUGH_S, MOST = 3.0, 7
PICTURE = ROOT / "results" / "gallery" / "size.png"


@dataclass(frozen=True)
class Size:
    """What a replication took at one size: CPU seconds by station, peak memory of its process in MB."""

    users: int
    span: str
    tickets: float
    occupancy: float
    cpu_s: dict[str, float]
    peak_mb: float

    @property
    def all_s(self) -> float:
        """CPU seconds of the whole replication."""
        return sum(self.cpu_s.values())


def main() -> None:
    """Print the table and draw the picture."""
    from tests.bench.size_plot import draw

    compiled_first()
    sizes, left_out = [], []
    for users in USERS:
        for span in SPANS:
            one = measured(users, span)
            (left_out if isinstance(one, str) else sizes).append(one)
    print("One replication of the baseline, compiled engine, no warm-up: CPU ms, median; peak memory of the process")
    print("\n".join([*table(sizes), *left_out]))
    print(finding(sizes))
    draw(sizes, PICTURE)
    print(f"written: {PICTURE.relative_to(ROOT)}")


def measured(users: int, span: str) -> Size | str:
    """Return one size, measured in a process of its own, or a sentence that says why it is left out."""
    command = [sys.executable, "-m", "tests.bench.bench_size", str(users), str(SPANS[span])]
    used = process(command, limit_s=LIMIT_S, limit_gb=LIMIT_GB)
    if used.code:
        why = f"it took more than {LIMIT_S} s" if used.code == -9 else f"it ended with {used.code}"
        return f"left out: {users:,} users, {span}: {why}, with {used.peak_mb:,.0f} MB (the most is {LIMIT_GB} GB)"
    return Size(users, span, **json.loads(used.last_line), peak_mb=used.peak_mb)


def replicated(users: int, days: int) -> dict[str, object]:
    """Return tickets and occupancy of a replication, and the median CPU seconds of its stations over a few of them."""
    precompile()
    plan = ReplicationPlan(build(scaled(users, days)), seed=1)
    done = [finish(plan, 0)]
    while len(done) < MOST and sum(sum(one.cpu_s.values()) for one in done) < ENOUGH_S:
        done.append(finish(plan, len(done)))
    metrics = done[0].metrics
    tickets, occupancy = metrics["tickets_new_per_day"], metrics["occupancy"]
    assert tickets is not None
    cpu_s = {stage: median(one.cpu_s[stage] for one in done) for stage in STAGES}
    return {"tickets": tickets * days, "occupancy": occupancy, "cpu_s": cpu_s}


def scaled(users: int, days: int) -> Scenario:
    """Return the baseline for so many users: agents, payouts, reviews and what counts complaints in proportion."""
    base, factor = load("baseline"), users / BASE_USERS
    assert base.withdrawals is not None
    assert base.rumour is not None
    sets = [f"population.registered={users}", f"days={days}", "warmup_days=0"]
    for name, team in base.teams.items():
        assert isinstance(team.agents, dict)
        sets += [f"teams.{name}.agents.{shift}={_whole(n * factor)}" for shift, n in team.agents.items()]
    sets += [
        f"withdrawals.payouts_per_minute={_whole(base.withdrawals.payouts_per_minute * factor)}",
        f"withdrawals.reviews_per_hour={_whole(base.withdrawals.reviews_per_hour * factor)}",
        f"complaints.background_per_day={base.complaints.background_per_day * factor}",
        f"rumour.threshold={base.rumour.threshold * factor}",
    ]
    return load("baseline", sets=sets)


def _whole(number: float) -> int:
    return max(int(number + 0.5), 1)


def table(sizes: Sequence[Size]) -> list[str]:
    """Return a line for each size."""
    head = "".join(f"{stage:>10}" for stage in STAGES)
    lines = [f"{'users':>11}  {'span':8} {'tickets':>10} {'occupancy':>10}{head}{'all':>10} {'MB':>7}"]
    for one in sizes:
        places = "".join(f"{1000 * one.cpu_s[stage]:10,.1f}" for stage in STAGES)
        start = f"{one.users:11,}  {one.span:8} {one.tickets:10,.0f} {one.occupancy:10.2f}"
        lines.append(f"{start}{places}{1000 * one.all_s:10,.1f} {one.peak_mb:7,.0f}")
    return lines


def finding(sizes: Sequence[Size]) -> str:
    """Return the slopes in a sentence: a replication costs by its tickets and by its minutes, so each has its own."""
    powers = []
    for users in sorted({one.users for one in sizes}):
        mine = [one for one in sizes if one.users == users]
        slope, error, _ = fit([one.tickets for one in mine], [one.all_s for one in mine])
        powers.append(f"{slope:.2f} ± {error:.2f} ({users / 1e6:g} M users)")
    return f"CPU time grows as tickets to the power {' and '.join(powers)}"


def fit(x: Sequence[float], y: Sequence[float]) -> tuple[float, float, float]:
    """Return slope, its standard error and intercept of log10 y over log10 x, by least squares."""
    a, b = np.log10(x), np.log10(y)
    spread = float(((a - a.mean()) ** 2).sum())
    slope = float(((a - a.mean()) * (b - b.mean())).sum()) / spread
    intercept = float(b.mean() - slope * a.mean())
    rest = float(((b - intercept - slope * a) ** 2).sum())
    return slope, (rest / (len(a) - 2) / spread) ** 0.5, intercept


if __name__ == "__main__":
    print(json.dumps(replicated(int(sys.argv[1]), int(sys.argv[2]))))
