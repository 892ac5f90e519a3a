"""Every metric against numbers worked out by hand, and the demand that a new one be worked out as well.

A case is a world and a table: by metric the value of each entity that it has there, ``""`` for the whole. Values are
worked out on paper from what the world's docstring and comments say, never by a program; they stand next to the world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from math import exp

import pytest

from sim.core.at_least import is_censored
from sim.experiment.replication import observe
from sim.metrics.metric import Metric
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import METRICS, metric_of
from sim.model.model import build
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
from tests.metrics.test_peaks import HAND_PEAKS, peaks_world
from tests.support.stories import category, fixed, near, story

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
    "peaks": (peaks_world, HAND_PEAKS),
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
    "withdrawals_individual_share", "complaints_flagged_per_day", "tickets_spam_per_day", "campaign_posts_per_day",
    "tickets_peak_hour", "load_share", "outflow_usd_peak_hour", "tightness_peak_hour",
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


# --- what the end of a run does to each share: who had no time to be decided must not count as decided -------------


AT_THE_END = {
    # left out, or estimated for those of whom the end is not known; a table by hand has some of them
    "within_target_share": "tired", "abandoned_share": "tired", "recontact_share": "tired",
    # both parts end with the run: work beyond it counts in neither
    "occupancy": "seven tickets",
    # posts and tickets of the same days, requests of the same ticks, draws of the same minutes
    "unharmed_share_of_registered": "counts", "unharmed_share_of_active": "counts",
    "unharmed_share_of_tickets": "counts", "newcomer_mistakes_share": "mistakes",
    "complaints_perceived_share": "levels", "complaints_flagged_precision": "levels",
    "withdrawals_failed_share": "levels",
    "withdrawals_individual_share": "levels",
    # levels at the end, at the least or at the most, as their meaning says
    "assets_left_share": "levels", "wallet_low_share": "levels", "trust_low": "levels", "ran_share": "levels",
    "volatility_peak": "staff", "gateway_error_peak_hour": "levels", "tightness_peak_hour": "levels",
    # work that comes in the same days as the agents that are there; a wait beyond the end is over its target
    "load_share": "peaks", "load_peak_day": "peaks", "wait_over_target_share": "peaks",
}  # fmt: skip
"""By share, the world of CASES whose table has it."""


def test_each_share_says_what_the_end_does_to_it() -> None:
    assert set(AT_THE_END) == {metric.name for metric in METRICS if metric.unit.startswith("of ")}


@pytest.mark.parametrize("name", AT_THE_END)
def test_its_world_has_it_by_hand(name: str) -> None:
    assert any(value is not None for value in CASES[AT_THE_END[name]][1][name].values())


@pytest.mark.parametrize("days", [1, 6])
def test_a_short_run_has_the_share_of_a_long_one(days: int) -> None:
    """Of tickets that take 12 h half would be asked about, after 6 h on average: 1/2 (1 - exp(-2)) are. On a day by
    itself half of the tickets are still open at the end, and as many as ask later have not asked yet."""
    world = story(
        days=days, warmup_days=0, categories={"howto": category(600.0, handle=fixed("12 h"))},
        teams={"front": {"serves": ["inbox"], "agents": 20_000}},
        recontact={
            "share": 0.5, "after": {"law": "exponential", "mean": "6 h"}, "queue": "inbox", "handle": fixed("1 min"),
        },
    )  # fmt: skip
    found = observe(build(world), seed=3, replication=0)
    share = metric_of("recontact_share").of(found)[""]
    assert share is not None
    assert near(share, 0.5 * (1 - exp(-2)), 600 * 24 * days / 2)
    so_far = (found.demand.chase >= 0) & (found.outcome.opened_ms[found.demand.chase] < found.to_ms) & found.human
    if days == 1:
        assert so_far.sum() / found.human.sum() < 0.9 * share, "what a plain share would say"
