"""What the end of a run does to each share: who had no time to be decided must not count as decided."""

from __future__ import annotations

from math import exp

import pytest

from sim.experiment.replication import observe
from sim.metrics.registry import METRICS, metric_of
from sim.model.model import build
from tests.metrics.test_by_hand import CASES
from tests.support.stories import category, fixed, near, story

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
    "volatility_peak": "staff",
}  # fmt: skip
"""By share, the world of ``test_by_hand`` whose table has it."""


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
