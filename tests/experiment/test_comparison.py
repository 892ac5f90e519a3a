"""Runs compared: pairs where both met the same customers, Welch where not, worked by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sim.experiment.analysis.comparison import compare
from sim.experiment.analysis.estimate import Estimate, Estimates, estimate
from sim.scenario.faults import ScenarioFaults
from tests.support.cli_runs import QUICK, undrawn, withstand

pytestmark = pytest.mark.xdist_group("compare")

T_2 = 4.302653  # Student's t, 97.5 %, 2 degrees of freedom (any table)


@dataclass
class Values:
    """A run that is nothing but its values."""

    seed: int
    by_metric: dict[str, dict[int, float | None]] = field(default_factory=dict)
    days: int = 7
    customers: Mapping[str, str] = field(default_factory=lambda: {"logins": "a", "posts": "b"})

    second: tuple[int, ...] = ()

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        found = Estimates({name: estimate(name, list(values.values())) for name, values in self.by_metric.items()})
        found.second_kind = self.second
        return found

    def samples(self, name: str) -> dict[int, float | None]:
        return self.by_metric.get(name, {})


def backlogs(seed: int, *values: float | None, name: str = "backlog_peak") -> Values:
    return Values(seed, {name: dict(enumerate(values))})


def test_one_seed_is_compared_pair_by_pair() -> None:
    found = compare(backlogs(1, 10.0, 20.0, 30.0), backlogs(1, 11.0, 22.0, 33.0))
    difference = found.differences["backlog_peak"]
    assert found.how == "paired, the same customers met both"
    assert difference.mean == pytest.approx(2.0)  # of 1, 2, 3
    assert difference.half_width == pytest.approx(T_2 * 1.0 / 3**0.5, rel=1e-6)
    assert difference.degrees_of_freedom == 2


def test_other_seeds_are_compared_by_welch() -> None:
    found = compare(backlogs(1, 10.0, 20.0, 30.0), backlogs(2, 11.0, 22.0, 33.0))
    difference = found.differences["backlog_peak"]
    assert "Welch" in found.how
    assert difference.mean == pytest.approx(2.0)
    # Variances 100 and 121 of 3 each: se^2 = 221 / 3, df = 221^2 / ((100^2 + 121^2) / 2) = 3.9642; t = 2.78571 there.
    assert difference.degrees_of_freedom == pytest.approx(3.9642, abs=1e-3)
    assert difference.half_width == pytest.approx(2.787 * (221 / 3) ** 0.5, rel=2e-3)


def test_what_is_the_same_is_paired_and_what_is_not_is_said() -> None:
    """The fault: "the same customers met both" whenever the seeds agree, for other desks, starts and demand."""
    base, other = backlogs(1, 10.0, 20.0, 30.0), backlogs(1, 11.0, 22.0, 33.0)
    other.customers = {"logins": "a", "posts": "c", "withdrawals": "d"}
    found = compare(base, other)
    assert found.how == "paired by replication; the same in both: logins; not the same: posts, withdrawals"
    assert found.differences["backlog_peak"].degrees_of_freedom == 2
    other.customers = {"logins": "x", "posts": "y"}
    found = compare(base, other)
    assert found.how == "not paired (no customers in common), Welch"
    assert found.differences["backlog_peak"].degrees_of_freedom > 3


def test_two_kinds_of_future_are_compared_by_how_often_they_come() -> None:
    values = {"requests_peak_per_s": [45.0 + n % 3 + 2_900 * (n > 9) for n in range(20)]}
    base = Values(1, {name: dict(enumerate(column)) for name, column in values.items()})
    found = compare(base, base)
    assert found.row("requests_peak_per_s")[1:3] == ("46 or 2,900", "46 or 2,900")
    base.second = tuple(range(10, 20))
    found = compare(base, backlogs(1, 1.0, 2.0))
    assert found.how.endswith("the second came 10 times in the base and 0 in the other")


def test_many_streams_are_counted() -> None:
    base, other = backlogs(1, 10.0, 20.0), backlogs(1, 11.0, 22.0)
    base.customers = {f"tickets of c{n}": "a" for n in range(9)}
    other.customers = {**base.customers, "logins": "b"}
    assert ", 4 more; not the same: logins" in compare(base, other).how


def test_runs_of_other_lengths_are_refused() -> None:
    other = backlogs(1, 11.0, 22.0)
    other.days = 28
    with pytest.raises(ScenarioFaults, match="compare: days: got 28; must be the base's 7"):
        compare(backlogs(1, 1.0, 2.0), other)


def test_what_has_no_partner_is_left_out_and_counted() -> None:
    found = compare(backlogs(1, 10.0, None, 30.0, 40.0), backlogs(1, 11.0, 22.0, None, 44.0))
    assert found.differences["backlog_peak"].mean == pytest.approx(2.5)  # of 1 and 4
    assert found.left_out["backlog_peak"] == 4
    assert found.row("backlog_peak")[-1].endswith("(4 values left out)")


@pytest.mark.parametrize(
    ("name", "other", "verdict"),
    [
        ("backlog_peak", (1.0, 2.1, 3.0), "better"),
        ("backlog_peak", (21.0, 22.1, 23.0), "worse"),
        ("within_target_share", (21.0, 22.1, 23.0), "better"),
        ("tickets_new_per_day", (21.0, 22.1, 23.0), "different"),
        ("backlog_peak", (1.0, 12.0, 25.0), "no clear difference"),
    ],
)
def test_the_verdict_knows_which_way_is_better(name: str, other: tuple[float, ...], verdict: str) -> None:
    found = compare(backlogs(1, 11.0, 12.0, 13.0, name=name), backlogs(1, *other, name=name))
    assert found.row(name)[-1] == verdict


def test_what_only_one_run_has_is_not_compared() -> None:
    found = compare(backlogs(1, 1.0, 2.0), backlogs(1, 1.0, 2.0, name="backlog_end"))
    assert found.differences == {}


# --- by command ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of runs: base, more (one agent more), other (another seed), one (one replication)."""
    place = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        undrawn(patch)
        for name, options in {
            "base": (),
            "more": ("--set", "teams.front.agents=3"),
            "other": ("--seed", "2"),
            "one": ("--replications", "1"),
            "busier": ("--set", "categories.howto.arrivals_per_hour=15"),
        }.items():
            assert withstand("run", "quiet_week", *QUICK, *options, "--quiet", "--out", place / name).code == 0
        longer = ("--set", "days=3", "--replications", "2", "--quiet", "--out", place / "longer")
        assert withstand("run", "quiet_week", *longer).code == 0
    return place


def test_two_plans_meet_the_same_customers(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    told = withstand("compare", "base", "more", "--metric", "tickets_new_per_day", "--metric", "backlog_mean")
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[0] == "more less base: paired, the same customers met both"
    assert lines[2].startswith("tickets_new_per_day ")
    assert " 0 tickets/day" in lines[2], "staff changes nobody's tickets"
    assert lines[2].endswith("the same in every pair")
    assert "  -" in lines[3], "more agents, less backlog"


def test_other_seeds_are_told(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    told = withstand("compare", "base", "other", "more")
    assert told.code == 0
    assert "other less base: not paired (other seeds), Welch\n" in told.out
    assert "\nmore less base: paired, the same customers met both\n" in told.out


def test_other_customers_and_lengths_are_told(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    told = withstand("compare", "base", "busier")
    same = "tickets of deposit_missing, tickets of withdrawal_delayed"
    assert told.out.splitlines()[0] == (
        f"busier less base: paired by replication; the same in both: {same}; not the same: tickets of howto"
    )
    told = withstand("compare", "base", "more", "longer")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("longer: days: got 3; must be the 2 of base")


def test_what_cannot_be_compared_is_named(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    told = withstand("compare", "base", "one", "--metric", "backlog_peak")
    assert told.code == 0
    assert told.out.splitlines()[-1] == "fewer than 2 values in common, so no difference: backlog_peak"


def test_unknown_metrics_are_told_all_at_once(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)
    told = withstand("compare", "base", "more", "--metric", "backlog_pek", "--metric", "happiness")
    assert (told.code, told.out) == (2, "")
    assert told.err.splitlines() == [
        "command line: --metric: got backlog_pek; must be a metric of base; did you mean backlog_peak?",
        "command line: --metric: got happiness; must be a metric of base",
    ]
