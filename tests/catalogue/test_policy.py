"""Planned maintenance, a worse bot, a cheaper night: what each does, by how much, and not without its cause."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim import load
from sim.core.clock import DAY_MS
from sim.model.model import Model, build
from sim.model.offered_load import offered_agents
from tests.support.paired import Claim, compared, holds, show

pytestmark = pytest.mark.xdist_group("catalogue policy")

UNTOLD = ("announcements.ahead.effect=0",)
OPEN = ("days=14", "incidents.upgrade.closes=[]")
OLD_BOT = ("bot_releases.regression.resolution=1",)
OLD_NIGHTS = (
    "teams.front.agents.night=20", "teams.finance.agents.night=3", "teams.security.agents.night=3",
    "teams.compliance.agents.night=14", "teams.vip.agents.night=2",
)  # fmt: skip
# What the managed spike does: each measure turned off, and what it moves.
MEASURES = [
    (("announcements.calm.effect=0",), "tickets_prevented_per_day", 100, 2000),
    (("bot_releases.macros.resolution=1",), "tickets_bot_per_day", 20, 400),
    (("surges.overtime.agents=0",), "backlog_waiting_mean.front", -1500, -50),
    (("surges.called.agents=0",), "backlog_waiting_mean.front", -3000, -100),
    (("surges.lent.agents=0",), "backlog_waiting_mean.compliance", -600, -20),
    (("surges.tracers.agents=0",), "backlog_waiting_mean.finance", -300, -2),
]
NOTHING_DONE = tuple(setting for off, *_ in MEASURES for setting in off)

CLAIMS = [
    Claim("maintenance", "tickets_new_per_day", 90, 300, off=["incidents.upgrade.contacts={}"]),
    Claim("maintenance", "withdrawals_peak_per_s", 0.7, 2.5, off=["incidents.upgrade.closes=[]"]),
    Claim("maintenance", "tickets_new_per_day", -180, -60, off=UNTOLD, base="maintenance", base_sets=UNTOLD),
    Claim("maintenance", "complaints_direct_per_day", -10, -0.5, off=UNTOLD, base="maintenance", base_sets=UNTOLD,
          replications=12),
    Claim("maintenance", "reads_peak_per_s", 15, 60, off=["announcements.ahead.login_spike=1"], base="maintenance",
          sets=OPEN, base_sets=["announcements.ahead.login_spike=1"]),
    Claim("bot_regression", "tickets_human_per_day", 230, 340, off=OLD_BOT),
    Claim("bot_regression", "backlog_peak", 2000, 6000, off=OLD_BOT),
    Claim("bot_regression", "first_response_p90", 1500, 8000, off=OLD_BOT),
    Claim("cost_cut", "agent_cost_per_day", -6400, -5200, off=OLD_NIGHTS),
    Claim("cost_cut", "complaints_reducible_per_day", 2, 20, off=OLD_NIGHTS, replications=30),
    Claim("cost_cut", "within_target_share", -0.3, -0.05, off=OLD_NIGHTS),
    *(Claim("volatility_spike_managed", metric, low, high, off=off, base="volatility_spike_managed", base_sets=off,
            replications=20) for off, metric, low, high in MEASURES),
    Claim("volatility_spike_managed", "backlog_waiting_peak", -10_000, -3000, off=NOTHING_DONE,
          base="volatility_spike"),
    Claim("volatility_spike_managed", "complaints_direct_per_day", -300, -50, off=NOTHING_DONE,
          base="volatility_spike"),
    Claim("volatility_spike_managed", "agent_cost_per_day", 15_000, 25_000, off=NOTHING_DONE,
          base="volatility_spike"),
]  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_a_scenario_does_what_its_story_says_and_not_without_its_mechanism(claim: Claim) -> None:
    show(claim)


def test_a_cost_cut_leaves_what_comes_without_waits_and_touches_no_customer_s_draws() -> None:
    found = compared(replace(SMALL, replications=6))
    for metric in ("complaints_without_waits_per_day", "complaints_background_per_day"):
        assert found.differences[metric].mean == 0
        assert not found.differences[metric].clear


def people_and_front_work(world: Model) -> tuple[float, float]:
    """Return what is expected of the days of the release: tickets for people, and the front line's work."""
    first = world.scenario.warmup_days + 2
    days = slice(first, first + 2)
    tickets = [not category.task for category in world.scenario.categories.values()]
    people = (world.expected_demand.roots.expected * (1 - world.expected_demand.roots.bot))[tickets, days].sum()
    work = offered_agents(world.expected_demand, world.desk)[list(world.scenario.teams).index("front"), days].sum()
    return float(people), float(work)


def test_a_worse_bot_doubles_the_tickets_for_people_but_not_their_work() -> None:
    (people, work), (few, less) = (
        people_and_front_work(build(load("bot_regression", sets=sets))) for sets in ((), OLD_BOT)
    )
    assert people / few == pytest.approx(2.0, abs=0.01)
    assert 1.75 < work / less < 1.9


def test_nothing_happens_before_the_release() -> None:
    bad, good = (build(load("bot_regression", sets=sets)).demand(seed=1, replication=0) for sets in ((), OLD_BOT))
    release = (7 + 2) * DAY_MS
    before = [np.sort(d.opened_ms[d.opened_ms < release]) for d in (bad, good)]
    assert before[0].tobytes() == before[1].tobytes()


# --- the helper itself must be able to fail -----------------------------------------------------------------------

SMALL = Claim("cost_cut", "agent_cost_per_day", -6400, -5200, off=OLD_NIGHTS, replications=2)


def test_a_claim_of_the_wrong_size_fails() -> None:
    wrong = Claim("cost_cut", "agent_cost_per_day", -100, -50, off=OLD_NIGHTS, replications=2)
    with pytest.raises(AssertionError, match=r"claimed -100\.\.-50"):
        holds(wrong)


def test_a_claim_without_a_clear_difference_fails() -> None:
    with pytest.raises(AssertionError, match="does not leave out 0"):
        holds(Claim("cost_cut", "tickets_new_per_day", 0, 1e9, off=OLD_NIGHTS, replications=2))


def test_a_claim_that_holds_without_its_mechanism_fails() -> None:
    holds(SMALL)
    with pytest.raises(AssertionError):
        holds(SMALL, off=True)
    idle = Claim("cost_cut", "agent_cost_per_day", -6400, -5200, off=["title=another"], replications=2)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        show(idle)


def test_a_claim_of_both_directions_is_none() -> None:
    with pytest.raises(ValueError, match="must be rising bounds on one side of 0"):
        Claim("cost_cut", "occupancy", -1, 1, off=OLD_NIGHTS)
