"""Every metric against numbers worked out by hand, and the demand that a new one be worked out as well.

A case is a world and a table: by metric the value of each entity that it has there, ``""`` for the whole. Values are
worked out on paper from what the world's docstring and comments say, never by a program; they stand next to the world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache

import pytest

from sim.core.at_least import is_censored
from sim.metrics.metric import Metric
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import METRICS, metric_of
from tests.metrics import test_feedback_metrics, test_metrics, test_misdirected
from tests.metrics.test_backlog import HAND_STOCKS, stocks_world
from tests.metrics.test_desk import (
    HAND_BACKLOG,
    HAND_COUNTS,
    HAND_FULL,
    HAND_OVERTIME,
    HAND_STAFF,
    HAND_TIRED,
    HAND_WAITS,
    Table,
    backlog_world,
    counts_world,
    full_world,
    overtime_world,
    staff_world,
    tired_world,
    waits_world,
)
from tests.metrics.test_levels import HAND_LEVELS, levels_world
from tests.metrics.test_market import (
    HAND_ENDPOINTS,
    HAND_MISTAKES,
    HAND_NEWCOMERS,
    endpoints_world,
    mistakes_world,
    newcomers_world,
)

CASES: dict[str, tuple[Callable[[], Observation], Table]] = {
    "seven tickets": (test_metrics.by_hand, test_metrics.HAND_DESK),
    "counts": (counts_world, HAND_COUNTS),
    "waits": (waits_world, HAND_WAITS),
    "full": (full_world, HAND_FULL),
    "tired": (tired_world, HAND_TIRED),
    "backlog": (backlog_world, HAND_BACKLOG),
    "stocks": (stocks_world, HAND_STOCKS),
    "staff": (staff_world, HAND_STAFF),
    "overtime": (overtime_world, HAND_OVERTIME),
    "endpoints": (endpoints_world, HAND_ENDPOINTS),
    "newcomers": (newcomers_world, HAND_NEWCOMERS),
    "mistakes": (mistakes_world, HAND_MISTAKES),
    "levels": (levels_world, HAND_LEVELS),
    "withdrawals": (test_feedback_metrics.by_hand, test_feedback_metrics.HAND_WITHDRAWALS),
    "astray": (test_misdirected.by_hand, test_misdirected.HAND_ASTRAY),
}
TABLES = [table for _, table in CASES.values()]
MORE_IS_BETTER = {
    "tickets_bot_per_day", "tickets_first_contact_per_day", "within_target_share", "unharmed_share_of_registered",
    "unharmed_share_of_active", "unharmed_share_of_tickets", "tickets_prevented_per_day", "withdrawals_paid_per_day",
    "assets_left_share", "wallet_low_share", "recovered_usd_per_day", "complaints_flagged_precision", "trust_low",
}  # fmt: skip
NEITHER_IS_BETTER = {
    "tickets_new_per_day", "occupancy", "withdrawals_peak_per_s", "tickets_peak_per_s", "reads_peak_per_s",
    "requests_peak_per_s", "backlog_in_hand_mean", "backlog_with_customer_mean", "backlog_with_others_mean",
    "agents_on_duty", "warnings_raised", "price_low", "volatility_peak", "signups_per_day", "kyc_reviews_per_day",
    "withdrawals_requests_per_day", "withdrawals_dropped_per_day", "outflow_usd_per_day",
    "withdrawals_individual_share", "complaints_flagged_per_day", "tickets_spam_per_day",
}  # fmt: skip
"""Of all other metrics less is better. A comparison says by this whether a plan is better or worse."""


def missing(metrics: Iterable[Metric], tables: Iterable[Table]) -> list[str]:
    """Return the metrics without a number worked out by hand, other than 0, which what is broken gives as well."""
    known = {name for table in tables for name, values in table.items() if any(values.values())}
    return [metric.name for metric in metrics if metric.name not in known]


@cache
def facts_in(case: str) -> Observation:
    """Return a case's facts, made once."""
    return CASES[case][0]()


@pytest.mark.parametrize(("case", "name"), [(case, name) for case, (_, table) in CASES.items() for name in table])
def test_each_metric_is_what_its_world_says_on_paper(case: str, name: str) -> None:
    found, by_hand = metric_of(name).of(facts_in(case)), CASES[case][1][name]
    assert set(found) == set(by_hand)
    for entity, value in by_hand.items():
        assert found[entity] == (None if value is None else pytest.approx(value, rel=1e-12)), entity
        assert is_censored(found[entity]) == is_censored(value), f"{entity}: at least, or exactly"


def test_every_metric_has_a_number_worked_out_by_hand() -> None:
    lacking = missing(METRICS, TABLES)
    assert not lacking, f"{', '.join(lacking)}: a new metric needs a hand-computed case; add it to a table of CASES"


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_says_which_way_is_better(metric: Metric) -> None:
    wanted = 1 if metric.name in MORE_IS_BETTER else 0 if metric.name in NEITHER_IS_BETTER else -1
    assert metric.better == wanted


# --- that the demand is one ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_without_its_numbers_is_told_by_name(metric: Metric) -> None:
    without = [{name: values for name, values in table.items() if name != metric.name} for table in TABLES]
    assert missing(METRICS, without) == [metric.name]


@pytest.mark.parametrize(
    "table", [{}, {"planted": {}}, {"planted": {"": None}}, {"planted": {"": 0, "a": None, "b": 0.0}}], ids=str
)
def test_a_new_metric_is_told_as_long_as_it_has_no_number(table: Table) -> None:
    planted = replace(METRICS[0], name="planted")
    assert missing([*METRICS, planted], [*TABLES, table]) == ["planted"]
    assert missing([*METRICS, planted], [*TABLES, table, {"planted": {"": None, "a": 2}}]) == []


def test_a_metric_with_parts_has_them_in_a_case() -> None:
    """Where any world gives a metric parts, some table has numbers of two of them that differ."""
    parts = {metric.name for metric in METRICS for case in CASES if len(metric.of(facts_in(case))) > 2}
    apart = {
        name
        for table in TABLES
        for name, values in table.items()
        if len({value for entity, value in values.items() if entity and value is not None}) > 1
    }
    assert parts - apart == set()
